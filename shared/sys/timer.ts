/** timerfd_create(2): a timer whose end is a descriptor that becomes readable, in nanoseconds. */
import koffi from 'koffi';
import { check, libc } from './libc.ts';
import { closeFd } from './sockets.ts';

export interface Timer {
  /** Readable once the timer has run out, until it is set again. */
  readonly fd: number;
  /** Runs out once, `micros` from now; a new call replaces the one before. 0: never. */
  set(micros: number): void;
  close(): void;
}

const CLOCK_MONOTONIC = 1;
const TFD_NONBLOCK = 0o4000;
const TFD_CLOEXEC = 0o2000000;

const timespec = koffi.struct({ tv_sec: 'long', tv_nsec: 'long' });
const itimerspec = koffi.struct({ it_interval: timespec, it_value: timespec });
const timerfdCreate = libc.func('timerfd_create', 'int', ['int', 'int']);
const timerfdSettime = libc.func('timerfd_settime', 'int', [
  'int',
  'int',
  koffi.pointer(itimerspec),
  'void *',
]);

const ONCE = { tv_sec: 0, tv_nsec: 0 };

export function createTimer(): Timer {
  const fd = check('timerfd_create', timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  return {
    fd,
    set(micros) {
      const value = { tv_sec: Math.floor(micros / 1e6), tv_nsec: (micros % 1e6) * 1000 };
      timerfdSettime(fd, 0, { it_interval: ONCE, it_value: value }, null);
    },
    close: () => closeFd(fd),
  };
}
