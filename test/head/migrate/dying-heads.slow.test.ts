/** A head, or its successor, that is killed when deliveries of other hosts have made all ready at the successor. */
import '../../support/traced.ts';
import { join } from 'node:path';
import test from 'ava';
import { untilBothAreUp, upgradeThatWaits } from '../../support/lanes-ahead.ts';
import { failed, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { openStream } from '../../support/stream.ts';
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

const areUp = () => untilBothAreUp(admin, head);

labTest('a successor that is killed then leaves the head and its lanes as they were', async (t) => {
  const stream = await openStream(t, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count === 1);
  const { outcome, successor, lanes, leave } = await upgradeThatWaits(t, lab, admin, head);
  t.is(lanes, 2);
  const visits = visitSteadily(lab.head.listen, '/whoami', { count: 60, perSecond: 30, timeoutMs: 30_000 });
  process.kill(successor, 'SIGKILL');
  t.is(await outcome, 'failed');
  await areUp();
  await stream.echo();
  const all = await visits;
  t.deepEqual(failed(all), []);
  t.true(all.every(({ body }) => body.includes('"transport":"migrate"')));
  leave();
  stream.close();
});

labTest('a head that is killed then is succeeded with all of them, and what had moved lives', async (t) => {
  const stream = await openStream(t, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count >= 1);
  const { successor, again, leave } = await upgradeThatWaits(t, lab, admin, head);
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
  leave();
  stream.close();
  await untilNothingIsLeft(lab);
});
