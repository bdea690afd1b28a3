import koffi from 'koffi';
import { check, libc } from '../../shared/sys/libc.ts';
import { watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd } from '../../shared/sys/sockets.ts';

/**
 * Wakes the event loop at a moment finer than the whole milliseconds of setTimeout, without spinning: a spinning
 * generator would take its core away from the servers it measures. timerfd_create(2) and timerfd_settime(2); on a
 * 2-core virtual machine the wake-up comes 80 us (p50) to 230 us (p99) after the moment asked for.
 */
export interface Alarm {
  /** Calls back once, `micros` from now (at least 1); a new call replaces the one before. */
  after(micros: number): void;
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

const once = { tv_sec: 0, tv_nsec: 0 };

export function createAlarm(onWake: () => void): Alarm {
  const fd = check('timerfd_create', timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  const set = (seconds: number, nanos: number) =>
    timerfdSettime(fd, 0, { it_interval: once, it_value: { tv_sec: seconds, tv_nsec: nanos } }, null);
  const readiness = watchReadable(fd, () => {
    // Setting the timer again, here to "never", also takes back its readiness: nothing has to be read.
    set(0, 0);
    onWake();
  });
  return {
    after(micros) {
      const whole = Math.max(1, Math.floor(micros));
      set(Math.floor(whole / 1e6), (whole % 1e6) * 1000);
    },
    close() {
      readiness.close();
      closeFd(fd);
    },
  };
}
