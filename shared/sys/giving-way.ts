/**
 * A process that warms up beside one that serves: it gets its share of the CPU, and is in nobody's way. A thread may ask for a longer
 * slice of it than others have (sched_setattr(2), sched_runtime of an ordinary thread, Linux 6.12): it waits longer for its turn, and
 * whoever wakes up goes before it (kernel/sched/fair.c, EEVDF). It takes no privilege, and unlike a lower priority (nice, SCHED_IDLE) it
 * can be taken back by an ordinary user, and lets the process not starve. Measured on one core that others used as well, beside three
 * threads that never sleep, with three processes that wake each other: where those used a third of the core they took 11 to 35 ms at
 * the 99th percentile beside ordinary threads, 5 to 8 beside such as these, and 0.7 to 4 beside those with a low priority; where they
 * wanted more than their share it was 61 to 230 ms, 23 to 70 with slices of 6 and 20 ms, and 17 to 46.
 */
import { readdirSync } from 'node:fs';
import { libc } from './libc.ts';
import { allocate } from './memory.ts';

const call = libc.func('long syscall(long, int, intptr_t, uint32_t, uint32_t)');
/** By architecture: only these are known (asm/unistd.h). */
const NUMBERS: Readonly<Record<string, { readonly set: number; readonly get: number }>> = {
  x64: { set: 314, get: 315 },
  arm64: { set: 274, get: 275 },
};

/** struct sched_attr as of Linux 3.14, include/uapi/linux/sched/types.h: size 0, policy 4, flags 8, nice 16, runtime 24. */
const ATTR_SIZE = 48;
const POLICY_AT = 4;
const RUNTIME_AT = 24;
const SCHED_OTHER = 0;
/**
 * An ordinary one is 1.4 ms on two cores, and grows with their number; the kernel gives 100 ms at most (__setparam_fair). A longer one
 * helps those more who use little of the CPU, and a shorter one those who have had more than their share, and wait for as long.
 */
const LONG_NANOS = 10_000_000n;

/** What the threads had before; undefined while nothing is to be taken back. */
let ordinaryNanos: bigint | undefined;

/** Threads that are begun from now on do as the one that begins them. Does nothing where the kernel can not, or does not let us. */
export function giveWay(): void {
  if (ordinaryNanos !== undefined) return;
  ordinaryNanos = setAll(LONG_NANOS);
}

/** No more, by no thread. */
export function giveWayNoMore(): void {
  if (ordinaryNanos === undefined) return;
  setAll(ordinaryNanos);
  ordinaryNanos = undefined;
}

/** What this process's first thread had until now; undefined where nothing was set. */
function setAll(nanos: bigint): bigint | undefined {
  const numbers = NUMBERS[process.arch];
  if (!numbers) return undefined;
  const { view, address, free } = allocate(ATTR_SIZE);
  try {
    let before: bigint | undefined;
    for (const thread of readdirSync('/proc/self/task')) {
      // One that ends meanwhile is none any more; others have a policy that somebody has given them.
      if (call(numbers.get, Number(thread), address, ATTR_SIZE, 0) < 0) continue;
      const had = view.getBigUint64(RUNTIME_AT, true);
      if (view.getUint32(POLICY_AT, true) !== SCHED_OTHER || had === 0n) continue;
      view.setBigUint64(RUNTIME_AT, nanos, true);
      if (call(numbers.set, Number(thread), address, 0, 0) === 0) before ??= had;
    }
    return before;
  } catch {
    // No /proc.
    return undefined;
  } finally {
    free();
  }
}
