/** The kernel's own name of a socket. */
import { getOption, SOL_SOCKET } from './socket-options.ts';

const SO_COOKIE = 57;

/**
 * The same for all who have a copy of the fd, whatever number each has for it, and never given again while the kernel runs
 * (socket(7); net/core/sock_diag.c, sock_gen_cookie). An inode's number, the other name that a socket has, is 32 bits, and
 * given again. Throws SystemError.
 */
export const socketCookie = (fd: number): bigint =>
  getOption(fd, SOL_SOCKET, SO_COOKIE, 8).getBigUint64(0, true);
