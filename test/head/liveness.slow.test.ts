import { spawn } from 'node:child_process';
import test from 'ava';
import { BUSY_STALLS, Liveness, type Signs } from '../../head/liveness.ts';

const STALL = 1000;

/** Judges a delivery each quarter of a stall timeout from 0 on; when it was dropped, and why. */
function judged(process: number, signs: (now: number) => Partial<Signs>, untilMs: number) {
  const liveness = new Liveness(process, { stallTimeoutMs: STALL }, 0);
  for (let now = 0; now <= untilMs; now += STALL / 4) {
    const reason = liveness.judge({
      now,
      lastHeard: 0,
      progress: 0,
      leavesUntaken: false,
      isLast: false,
      ...signs(now),
    });
    if (reason) return { now, reason };
  }
  return undefined;
}

test('one that says nothing and of which nothing is seen is dropped after the stall timeout', (t) => {
  t.deepEqual(
    judged(0, () => ({}), 9000),
    { now: STALL, reason: 'it did not answer a ping in time' },
  );
  // Were it the last, nobody else would wait for it.
  t.is(judged(0, () => ({ isLast: true }), 9000)!.now, STALL);
});

test('one that is heard, or takes what it is sent, stays', (t) => {
  t.is(
    judged(0, (now) => ({ lastHeard: now }), 60_000),
    undefined,
  );
  t.is(
    judged(0, (now) => ({ progress: now, leavesUntaken: true }), 10 * STALL),
    undefined,
  );
  t.is(
    judged(0, (now) => ({ lastHeard: now, progress: now, leavesUntaken: true }), 60_000),
    undefined,
  );
});

test('one that is heard and takes nothing of what waits is dropped, the last one much later', (t) => {
  const reason = 'it left a connection untaken for too long';
  const idle = (now: number) => ({ lastHeard: now, leavesUntaken: now >= STALL });
  t.deepEqual(judged(0, idle, 60_000), { now: STALL, reason });
  t.deepEqual(
    judged(0, (now) => ({ ...idle(now), isLast: true }), 60_000),
    {
      now: BUSY_STALLS * STALL,
      reason,
    },
  );
});

test('nobody is blamed for a time in which nobody looked', (t) => {
  const liveness = new Liveness(0, { stallTimeoutMs: STALL }, 0);
  const signs = { lastHeard: 0, progress: 0, leavesUntaken: true, isLast: false };
  t.is(liveness.judge({ now: 5000, ...signs }), undefined);
  for (const now of [5250, 5500, 5750]) t.is(liveness.judge({ now, ...signs }), undefined);
  t.is(liveness.judge({ now: 6000, ...signs }), 'it did not answer a ping in time');
});

test('one that computes is busy and stays, but not for ever; a stopped one does not compute', async (t) => {
  // This process computes: that is what its event loop does while the loop below asks. On a busy machine it gets its share
  // of the CPU late, so it goes on until the kernel has counted some (in hundredths of a second).
  const spin = () => {
    const used = () => Object.values(process.cpuUsage()).reduce((sum, micros) => sum + micros);
    for (const end = used() + 25_000; used() < end; );
    return {};
  };
  t.deepEqual(judged(process.pid, spin, 60_000), {
    now: BUSY_STALLS * STALL,
    reason: 'it was busy for too long',
  });
  t.is(
    judged(process.pid, () => ({ ...spin(), isLast: true }), 20 * STALL),
    undefined,
    'the last one stays',
  );

  const stopped = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  t.teardown(() => void stopped.kill('SIGKILL'));
  t.true(stopped.kill('SIGSTOP'));
  t.is(judged(stopped.pid!, spin, 9000)?.reason, 'it did not answer a ping in time');
});
