/** A successor that is frozen at each step, when deliveries of other hosts have made all ready there: a real one, stopped by a signal. */
import '../../support/traced.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { getStatus } from '../../../infra/admin-client.ts';
import { untilBothAreUp, upgradeThatWaits } from '../../support/lanes-ahead.ts';
import { failed, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { openStream, type Stream } from '../../support/stream.ts';
import { until } from '../../support/until.ts';
import { gone } from '../../support/upgrades.ts';

const labTest = asRoot(['strace'], test.serial);
let lab: LabForTests;
let admin: string;
let head: number;
let stream: Stream;

labTest('a lab of two delivery hosts', async (t) => {
  lab = await startTestLab({ headArguments: ['--workers', '2'] });
  admin = join(lab.network.directory, 'head.admin.sock');
  head = lab.head.pid;
  stream = await openStream({ teardown: () => {} }, lab.head.listen);
  await lab.untilStatus('it has moved', ({ migration }) => migration!.flows.count === 1);
  t.is(lab.deliveries.length, 2);
});

test.after.always('the last head ends', () => {
  if (head !== undefined && head !== lab.head.pid) process.kill(head, 'SIGKILL');
});

/** Stops the process as it makes that call for the nth time from now on, on its main thread; resolves when it will. */
async function stopAt(t: ExecutionContext, pid: number, call: 'sendmsg' | 'recvmsg', nth: number) {
  const inject = `inject=${call}:signal=SIGSTOP:when=${nth}`;
  const child = spawn('strace', ['-p', String(pid), '-e', `trace=${call}`, '-e', inject], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  const ended = once(child, 'exit');
  const leave = async () => {
    child.kill();
    await ended;
  };
  t.teardown(leave);
  await until(
    'strace is there',
    () => text,
    (now) => now.includes('attached'),
  );
  return {
    /** What the call has sent or received. */
    async stopped(): Promise<string> {
      await until(
        'it stands still',
        () => text,
        (now) => now.includes('stopped by SIGSTOP'),
      );
      return text.slice(0, text.indexOf('--- SIGSTOP')).trim().split('\n').at(-1)!;
    },
    leave,
  };
}

const visitAll = (count: number) =>
  visitSteadily(lab.head.listen, '/whoami', { count, perSecond: 30, timeoutMs: 30_000 });

async function areServed(t: ExecutionContext, visits: ReturnType<typeof visitAll>) {
  const all = await visits;
  t.deepEqual(failed(all), []);
  t.true(all.every(({ body }) => body.includes('"transport":"migrate"')));
  return all;
}

const areUp = () => untilBothAreUp(admin, head);

for (const [when, call, word] of [
  ['with its word of ready', 'sendmsg', /ready/],
  // What is under inspection, where there is any, comes before *handed*; and it may look before any of it is there.
  ['as all is handed to it', 'recvmsg', /connections|handed|EAGAIN/],
] as const)
  labTest(`one that freezes ${when} is given up, and its lanes with it`, async (t) => {
    const { outcome, successor, lanes, leave } = await upgradeThatWaits(t, lab, admin, head);
    t.is(lanes, 2);
    const freezing = await stopAt(t, successor, call, 1);
    const visits = visitAll(150);
    t.regex(await freezing.stopped(), word);
    t.is(await outcome, 'failed');
    await gone(successor);
    await freezing.leave();
    await areUp();
    await areServed(t, visits);
    await stream.echo();
    leave();
  });

labTest(
  'one that freezes while lanes are opened is waited for by nobody else, and takes over when it goes on',
  async (t) => {
    const { outcome, successor, leave } = await upgradeThatWaits(t, lab, admin, head);
    process.kill(successor, 'SIGSTOP');
    // Longer than anything would have waited for those that are late.
    const served = await areServed(t, visitAll(90));
    t.true(served.every(({ millis }) => millis < 2000));
    t.is((await getStatus(admin)).pid, head);
    await stream.echo();
    const visits = visitAll(30);
    process.kill(successor, 'SIGCONT');
    t.is(await outcome, 'done');
    await gone(head);
    head = successor;
    await areUp();
    await areServed(t, visits);
    await stream.echo();
    leave();
  },
);

labTest(
  'one that freezes with its word of confirmed is the head, and goes on with all of them when it can',
  async (t) => {
    const { outcome, successor, again, leave } = await upgradeThatWaits(t, lab, admin, head);
    const freezing = await stopAt(t, successor, 'sendmsg', 2);
    const visits = visitAll(150);
    t.regex(await freezing.stopped(), /confirmed/);
    t.is(await outcome, 'done');
    await gone(head);
    head = successor;
    // What has moved needs no head.
    await stream.echo();
    await freezing.leave();
    process.kill(successor, 'SIGCONT');
    // Its lanes are open already.
    t.is((await again.next('welcome')).lanes, undefined);
    await areUp();
    await areServed(t, visits);
    await stream.echo();
    leave();
    stream.close();
    await untilNothingIsLeft(lab);
  },
);
