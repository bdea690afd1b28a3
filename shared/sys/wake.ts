/** Waking a thread that sleeps in epoll_wait: an eventfd(2) that another thread writes to. */
import { check, libc } from './libc.ts';
import { allocate } from './memory.ts';

const c = {
  eventfd: libc.func('int eventfd(uint32_t, int)'),
  read: libc.func('intptr_t read(int, intptr_t, size_t)'),
  write: libc.func('intptr_t write(int, intptr_t, size_t)'),
};

const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const word = allocate(16);
word.view.setBigUint64(8, 1n, true);

/** A new eventfd: readable from `wake` until `clearWake`. */
export const createWake = (): number => check('eventfd', c.eventfd(0, EFD_NONBLOCK_CLOEXEC));

/** Fails only when 2^64 - 2 wakes are pending, so the answer is not needed. */
export const wake = (fd: number): void => void c.write(fd, word.address + 8, 8);

export const clearWake = (fd: number): void => void c.read(fd, word.address, 8);
