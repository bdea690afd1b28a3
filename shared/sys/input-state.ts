/** What poll(2) tells of a socket's input that reading it would not. */
import { EINTR, lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const poll = libc.func('int poll(intptr_t, unsigned long, int)');

/** Reading ends after what is in the receive queue (POLLRDHUP); there is an urgent byte (POLLPRI). */
export const INPUT_ENDED = 0x2000;
export const INPUT_URGENT = 0x2;
const HUNG_UP = 0x10;

/** struct pollfd. */
const pollfd = allocate(8);

/** INPUT_ENDED and INPUT_URGENT, where they are so; or -errno. */
export const inputState = (fd: number): number => look(fd, INPUT_ENDED | INPUT_URGENT);

/** Of a socket of a pair: its other end is closed (POLLHUP, which is told whatever is asked for), whether this one reads or not. */
export const isHungUp = (fd: number): boolean => look(fd, HUNG_UP) > 0;

function look(fd: number, events: number): number {
  const { view } = pollfd;
  view.setInt32(0, fd, true);
  view.setInt16(4, events, true);
  view.setInt16(6, 0, true);
  if (poll(pollfd.address, 1, 0) < 0) {
    const result = -lastErrno();
    return result === EINTR ? look(fd, events) : result;
  }
  return view.getInt16(6, true) & events;
}
