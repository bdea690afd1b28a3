/** timerfd_create(2): a timer whose end is a descriptor that becomes readable, in nanoseconds. */
import { check, libc } from './libc.ts';
import { allocate } from './memory.ts';
import { closeFd } from './sockets.ts';

export interface Timer {
  /** Readable once the timer has run out, until it is set again. */
  readonly fd: number;
  /** Runs out once, `micros` from now (below 2^32 s); a new call replaces the one before. 0: never. */
  set(micros: number): void;
  close(): void;
}

const CLOCK_MONOTONIC = 1;
const TFD_NONBLOCK = 0o4000;
const TFD_CLOEXEC = 0o2000000;

const timerfdCreate = libc.func('int timerfd_create(int, int)');
const timerfdSettime = libc.func('int timerfd_settime(int, int, intptr_t, intptr_t)');

/**
 * struct itimerspec: the interval stays zero, and a timer runs out once. Written as bytes: koffi aborts the process where the
 * thread is ended (`worker.terminate()`, `process.exit()`) while it reads a struct's fields from an object.
 */
const spec = allocate(32);
const SECONDS = 16;
const NANOSECONDS = 24;

export function createTimer(): Timer {
  const fd = check('timerfd_create', timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  return {
    fd,
    set(micros) {
      spec.view.setUint32(SECONDS, Math.floor(micros / 1e6), true);
      spec.view.setUint32(NANOSECONDS, (micros % 1e6) * 1000, true);
      timerfdSettime(fd, 0, spec.address, 0);
    },
    close: () => closeFd(fd),
  };
}
