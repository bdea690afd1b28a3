/** Writing to an output that may be stuck or full, without ever waiting for it. */
import { fstatSync, writeSync } from 'node:fs';
import { EAGAIN, EOPNOTSUPP, lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const poll = libc.func('int poll(intptr_t, unsigned long, int)');
const pwritev2 = libc.func('intptr_t pwritev2(int, intptr_t, int, int64_t, int)');

const POLLOUT = 0x4;
const POLLERR_HUP_NVAL = 0x8 | 0x10 | 0x20;
const RWF_NOWAIT = 0x8;
/** A pipe that can be written to has room for so many bytes (PIPE_BUF, pipe(7)). */
const AT_ONCE = 4096;

// struct pollfd {int fd; short events, revents} at 0; struct iovec {base, length} at 16; the bytes from 64 on.
const memory = allocate(64 + AT_ONCE);
const BYTES_AT = 64;

/**
 * Writes as much of `bytes` as the output takes at once; how much that was, or -errno: EAGAIN when it takes nothing now.
 * An output may be shared with other processes, so it is not made non-blocking: each write says so for itself
 * (RWF_NOWAIT, pwritev2(2)), or, where the kernel can not do that, comes right after poll(2) has found room.
 */
export function writeNow(fd: number, bytes: Buffer): number {
  try {
    // A file is always ready, and what goes wrong with it is known at once: a full disk.
    if (fstatSync(fd).isFile()) return writeSync(fd, bytes);
    if (!hasRoom(fd)) return EAGAIN;
    const count = bytes.copy(memory.bytes, BYTES_AT, 0, AT_ONCE);
    memory.view.setBigUint64(16, BigInt(memory.address + BYTES_AT), true);
    memory.view.setBigUint64(24, BigInt(count), true);
    const n = Number(pwritev2(fd, memory.address + 16, 1, -1, RWF_NOWAIT));
    if (n >= 0) return n;
    const errno = -lastErrno();
    return errno === EOPNOTSUPP ? writeSync(fd, bytes, 0, count) : errno;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? EAGAIN;
  }
}

function hasRoom(fd: number): boolean {
  memory.view.setInt32(0, fd, true);
  memory.view.setInt16(4, POLLOUT, true);
  memory.view.setInt16(6, 0, true);
  // An output that is broken is written to all the same: that tells how.
  return (
    poll(memory.address, 1, 0) > 0 && (memory.view.getInt16(6, true) & (POLLOUT | POLLERR_HUP_NVAL)) !== 0
  );
}
