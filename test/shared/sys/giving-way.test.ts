import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { giveWay, giveWayNoMore } from '../../../shared/sys/giving-way.ts';

/** Of each thread, nanoseconds, as the kernel shows it where it is made to (CONFIG_SCHED_DEBUG). */
function slices(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    try {
      const sched = readFileSync(`/proc/self/task/${thread}/sched`, 'utf8');
      return Number(/^se\.slice\s+:\s+(\d+)$/m.exec(sched)?.[1] ?? 0);
    } catch {
      return 0;
    }
  });
}

const areShown = slices().every((slice) => slice > 0);

(areShown ? test.serial : test.serial.skip)(
  'all threads give way, those that come as well, and no more',
  async (t) => {
    const before = slices();
    giveWay();
    t.true(slices().every((slice) => slice === 10_000_000));
    const thread = new Worker('setInterval(() => {}, 1000)', { eval: true });
    await once(thread, 'online');
    const now = slices();
    t.true(now.length > before.length);
    t.true(now.every((slice) => slice === 10_000_000));
    // Told twice it knows what it was.
    giveWay();
    giveWayNoMore();
    t.true(slices().every((slice) => slice === before[0]));
    await thread.terminate();
  },
);

test.serial('who has not given way has nothing to take back', (t) => {
  const before = slices();
  giveWayNoMore();
  t.deepEqual(slices(), before);
});
