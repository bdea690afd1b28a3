/**
 * The C library, loaded once, and what every file of this folder needs from it. Nothing outside `shared/sys` sees
 * a C type, a constant, a struct offset or an errno number.
 *
 * Two conventions. Functions of the hot path return a value >= 0 or `-errno` and never throw: an exception there
 * would cost more than the call. All others throw `SystemError`.
 */
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

export const libc = koffi.load(null);

/** Read right after the call that failed: the next call of any kind may overwrite it (errno(3)). */
export const lastErrno = (): number => koffi.errno();

const byNumber = getSystemErrorMap();

/** A system call that failed where Baton did not expect it to. `code` is the errno's name, as in Node's own errors. */
export class SystemError extends Error {
  readonly code: string;
  readonly call: string;

  constructor(call: string, errno: number) {
    const [code, text] = byNumber.get(-errno) ?? [`E${errno}`, 'unknown error'];
    super(`${call}: ${text} (${code})`);
    this.name = 'SystemError';
    this.code = code;
    this.call = call;
  }
}

/** Throws SystemError when a call that answers -1 on failure has failed. */
export function check(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, lastErrno());
  return result;
}

/** errno(3) numbers that the hot path tells apart; negative, as its functions return them. */
export const EINTR = -4;
export const EBADF = -9;
export const EAGAIN = -11;
export const EFAULT = -14;
export const ENFILE = -23;
export const EMFILE = -24;
export const ENOSPC = -28;
export const ENOBUFS = -105;
export const EPIPE = -32;
export const EOPNOTSUPP = -95;
export const EADDRNOTAVAIL = -99;
export const ECONNABORTED = -103;
export const ECONNRESET = -104;
export const ENOTCONN = -107;
export const EINPROGRESS = -115;
export const EDQUOT = -122;

/** The name of a negative errno, for logs. */
export const errnoName = (negative: number): string => byNumber.get(negative)?.[0] ?? `E${-negative}`;
