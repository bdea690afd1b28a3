/** Ending a connection while its fd number stays taken: dup3(2) puts /dev/null in its place in one step. */
import { openSync } from 'node:fs';
import { lastErrno, libc } from './libc.ts';

const dup3 = libc.func('int dup3(int, int, int)');
const O_CLOEXEC = 0o2000000;

let nothing = -1;

/**
 * Closes what `fd` stands for and leaves the number to its owner, who closes it in its own time. For a thread that ends a
 * connection which another thread keeps in a table by its fd: the kernel cannot give the number to a new one in between.
 * Returns 0, or -errno.
 */
export function vacateFd(fd: number): number {
  if (nothing < 0) nothing = openSync('/dev/null', 'r');
  return dup3(nothing, fd, O_CLOEXEC) < 0 ? -lastErrno() : 0;
}
