/** A head, or its successor, that is killed when deliveries of other hosts have made all ready at the successor. */
import '../../support/traced.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { getStatus, upgradeHead } from '../../../infra/admin-client.ts';
import { failed, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { startRogueRemote } from '../../support/rogue-remote.ts';
import { openStream } from '../../support/stream.ts';
import { until } from '../../support/until.ts';
import { gone } from '../../support/upgrades.ts';

const labTest = asRoot([], test.serial);
let lab: LabForTests;
let admin: string;
let head: number;

labTest('a lab of two delivery hosts', async (t) => {
  lab = await startTestLab({ headArguments: ['--workers', '2'] });
  admin = join(lab.network.directory, 'head.admin.sock');
  head = lab.head.pid;
  t.is(lab.deliveries.length, 2);
});

test.after.always('the last head ends', () => {
  if (head !== undefined && head !== lab.head.pid) process.kill(head, 'SIGKILL');
});

/** Visits are for none of these. */
const can = { version: 3, serves: ['rogue.example'], successors: true, lanes: true, ahead: true };

async function remote(t: ExecutionContext, name: string) {
  lab.enter('d1');
  const rogue = await startRogueRemote(lab.control, lab.secret, { name, ...can });
  lab.enter('client');
  t.teardown(async () => rogue.die());
  return rogue;
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** An upgrade that waits, two seconds at most, for a delivery that does not come; all others have. Its successor. */
async function upgradeThatWaits(t: ExecutionContext) {
  const late = await remote(t, 'late');
  const early = await remote(t, 'early');
  for (const one of [late, early]) t.is((await one.next('welcome')).lanes, 2);
  const outcome = upgradeHead(admin).then(
    () => 'done',
    () => 'failed',
  );
  for (const one of [late, early]) await one.next('successor');
  const [successor] = childrenOf(head);
  const again = await remote(t, 'early');
  t.is((await again.next('ahead')).lanes, 2);
  return { outcome, successor: successor!, again, rogues: [late, early, again] };
}

const areUp = () =>
  until(
    'both are up, and at this head',
    () => getStatus(admin).catch(() => undefined),
    (status) =>
      status?.pid === head &&
      ['d1', 'd2'].every((name) => status.deliveries.some((one) => one.name === name && one.state === 'up')),
  );

labTest('a successor that is killed then leaves the head and its lanes as they were', async (t) => {
  const stream = await openStream(t, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count === 1);
  const { outcome, successor, rogues } = await upgradeThatWaits(t);
  const visits = visitSteadily(lab.head.listen, '/whoami', { count: 60, perSecond: 30, timeoutMs: 30_000 });
  process.kill(successor, 'SIGKILL');
  t.is(await outcome, 'failed');
  await areUp();
  await stream.echo();
  const all = await visits;
  t.deepEqual(failed(all), []);
  t.true(all.every(({ body }) => body.includes('"transport":"migrate"')));
  for (const one of rogues) one.die();
  stream.close();
});

labTest('a head that is killed then is succeeded with all of them, and what had moved lives', async (t) => {
  const stream = await openStream(t, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count >= 1);
  const { successor, again, rogues } = await upgradeThatWaits(t);
  const before = head;
  process.kill(before, 'SIGKILL');
  head = successor;
  // Who comes now waits in the queue, which lives on.
  const visits = visitSteadily(lab.head.listen, '/whoami', { count: 60, perSecond: 30, timeoutMs: 30_000 });
  await gone(before);
  // Its lanes are open already.
  t.is((await again.next('welcome')).lanes, undefined);
  await areUp();
  const all = await visits;
  t.deepEqual(failed(all), []);
  t.true(all.every(({ body }) => body.includes('"transport":"migrate"')));
  await stream.echo();
  for (const one of rogues) one.die();
  stream.close();
  await untilNothingIsLeft(lab);
});
