/** setsockopt(2) and getsockopt(2), for the options that are numbers and small structures. */
import { check, libc } from './libc.ts';
import { allocate } from './memory.ts';

const c = {
  getsockopt: libc.func('int getsockopt(int, int, int, intptr_t, intptr_t)'),
  setsockopt: libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)'),
};

export const SOL_SOCKET = 1;
export const IPPROTO_TCP = 6;
export const TCP_INFO = 11;

/** Where getsockopt finds a length, and puts an option: in one memory for all, read before the next call. */
export const small = allocate(4096);
export const LENGTH_AT = 256;
export const OPTION_AT = 260;

/** As `setOption`; 0, or a negative number where the kernel does not know the option. */
export function trySetOption(fd: number, level: number, option: number, value: number): number {
  small.view.setInt32(OPTION_AT, value, true);
  return c.setsockopt(fd, level, option, small.address + OPTION_AT, 4);
}

export function setOption(fd: number, level: number, option: number, value: number): void {
  check('setsockopt', trySetOption(fd, level, option, value));
}

/** The option's first `length` bytes go to OPTION_AT of `small`. Negative when there are none, with lastErrno(). */
export function readOption(fd: number, level: number, option: number, length: number): number {
  small.view.setUint32(LENGTH_AT, length, true);
  return c.getsockopt(fd, level, option, small.address + OPTION_AT, small.address + LENGTH_AT);
}

export function getOption(fd: number, level: number, option: number, length: number): DataView {
  check('getsockopt', readOption(fd, level, option, length));
  return new DataView(small.view.buffer, OPTION_AT, length);
}
