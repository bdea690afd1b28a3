/** For a process that must act at the right moment: exact waits, and a place before everybody else. */
import { check, EINTR, lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const c = {
  mlockall: libc.func('int mlockall(int)'),
  ppoll: libc.func('int ppoll(intptr_t, unsigned long, intptr_t, intptr_t)'),
  schedSetscheduler: libc.func('int sched_setscheduler(int, int, intptr_t)'),
};

const SCHED_FIFO = 1;
const MCL_CURRENT = 1;
const MCL_ONFAULT = 4;
const POLLIN = 1;
/** struct pollfd */
const POLLFD_SIZE = 8;

/**
 * As runFirst, and keeps its memory from being swapped out (mlockall(2)): for a process whose memory does not grow. Where
 * it is not permitted waits are as late as the machine is busy.
 */
export function becomeRealtime(priority: number): boolean {
  c.mlockall(MCL_CURRENT | MCL_ONFAULT);
  return runFirst(priority);
}

/** Runs this thread before all ordinary ones (SCHED_FIFO, sched(7)). False when it may not. */
export function runFirst(priority: number): boolean {
  const parameter = allocate(4);
  parameter.view.setInt32(0, priority, true);
  const permitted = c.schedSetscheduler(0, SCHED_FIFO, parameter.address) === 0;
  parameter.free();
  return permitted;
}

export interface ExactWait {
  /** Waits until one of the fds is readable, at most `micros` (Infinity: for ever). True when one is. */
  wait(micros: number): boolean;
  /** What the last wait found about the fd at `index`: it is readable, or its other end has gone. */
  isReady(index: number): boolean;
}

/** Readiness of a few fds with a bound in microseconds, where epoll_wait has milliseconds (ppoll(2)). */
export function createExactWait(fds: readonly number[]): ExactWait {
  const timeAt = fds.length * POLLFD_SIZE;
  const memory = allocate(timeAt + 16);
  const { view, address } = memory;
  for (const [i, fd] of fds.entries()) {
    view.setInt32(i * POLLFD_SIZE, fd, true);
    view.setInt16(i * POLLFD_SIZE + 4, POLLIN, true);
  }
  return {
    wait(micros) {
      const bounded = micros !== Number.POSITIVE_INFINITY;
      if (bounded) {
        const seconds = Math.floor(micros / 1e6);
        view.setUint32(timeAt, seconds, true);
        view.setUint32(timeAt + 8, Math.floor((micros - seconds * 1e6) * 1000), true);
      }
      const n = c.ppoll(address, fds.length, bounded ? address + timeAt : 0, 0);
      if (n >= 0) return n > 0;
      if (lastErrno() !== -EINTR) check('ppoll', n);
      for (let i = 0; i < fds.length; i++) view.setInt16(i * POLLFD_SIZE + 6, 0, true);
      return false;
    },
    isReady: (index) => view.getInt16(index * POLLFD_SIZE + 6, true) !== 0,
  };
}
