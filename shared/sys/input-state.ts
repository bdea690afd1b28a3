/** What poll(2) tells of a socket's input that reading it would not. */
import { EINTR, lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const poll = libc.func('int poll(intptr_t, unsigned long, int)');

/** Reading ends after what is in the receive queue (POLLRDHUP); there is an urgent byte (POLLPRI). */
export const INPUT_ENDED = 0x2000;
export const INPUT_URGENT = 0x2;

/** struct pollfd. */
const pollfd = allocate(8);

/** INPUT_ENDED and INPUT_URGENT, where they are so; or -errno. */
export function inputState(fd: number): number {
  const { view } = pollfd;
  view.setInt32(0, fd, true);
  view.setInt16(4, INPUT_ENDED | INPUT_URGENT, true);
  view.setInt16(6, 0, true);
  if (poll(pollfd.address, 1, 0) < 0) {
    const result = -lastErrno();
    return result === EINTR ? inputState(fd) : result;
  }
  return view.getInt16(6, true) & (INPUT_ENDED | INPUT_URGENT);
}
