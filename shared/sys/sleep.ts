/** Short sleeps of a thread that has no event loop. */
import { libc } from './libc.ts';

const c = {
  prctl: libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)'),
  usleep: libc.func('int usleep(uint32_t)'),
};

const PR_SET_TIMERSLACK = 29;

/** Lets this thread's sleeps end on time instead of up to 50 us late, the default (prctl(2)). */
export const sharpenTimers = (): void => void c.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);

/** Sleeps for `micros` microseconds, or less when a signal arrives. */
export const sleepMicros = (micros: number): void => void c.usleep(micros);
