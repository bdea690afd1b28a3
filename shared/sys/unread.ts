/** What waits to be read from a socket. */
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const ioctl = libc.func('int ioctl(int, unsigned long, intptr_t)');
/** asm-generic/ioctls.h; also called SIOCINQ. */
const FIONREAD = 0x541b;
const answer = allocate(4);

/**
 * Bytes of all messages in the queue of a Unix socket, of type SEQPACKET as well (net/unix/af_unix.c, unix_inq_len): 0 when
 * none of them says anything. Or -errno.
 */
export const unreadBytes = (fd: number): number =>
  ioctl(fd, FIONREAD, answer.address) < 0 ? -lastErrno() : answer.bytes.readInt32LE(0);
