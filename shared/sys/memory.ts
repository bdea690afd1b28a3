/**
 * Memory at a fixed address that both JavaScript and the kernel use. A Buffer's address may not be kept across
 * calls, and passing one costs koffi a look-up; an address that never changes is passed as a plain number.
 */
import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { check, lastErrno, libc, SystemError } from './libc.ts';

const mmap = libc.func('intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)');
const munmap = libc.func('int munmap(intptr_t, size_t)');

const PROT_READ_WRITE = 3;
const PROT_READ = 1;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MAP_POPULATE = 0x8000;

export interface Memory {
  /** Where it is; below 2^47, so exact as a number. */
  readonly address: number;
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Gives it back. No view of it may be touched afterwards. */
  free(): void;
}

/** `size` zeroed bytes, aligned to a page (mmap(2)). */
export function allocate(size: number): Memory {
  return map(size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
}

/** The first `size` bytes of a file, to be read only: what another process writes there is seen at once (mmap(2)). */
export function mapFile(path: string, size: number): Memory {
  const fd = openSync(path, 'r');
  try {
    return map(size, PROT_READ, MAP_SHARED, fd, 0);
  } finally {
    closeSync(fd);
  }
}

/** `size` bytes that the kernel shares with us through `fd`, from `offset` on, provided at once (mmap(2)). */
export function mapShared(fd: number, offset: number, size: number): Memory {
  return map(size, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
}

function map(size: number, protection: number, flags: number, fd: number, offset: number): Memory {
  const address = Number(mmap(0, size, protection, flags, fd, offset));
  if (address === -1) throw new SystemError('mmap', lastErrno());
  const buffer = koffi.view(BigInt(address), size);
  return {
    address,
    bytes: Buffer.from(buffer),
    view: new DataView(buffer),
    free: () => void check('munmap', munmap(address, size)),
  };
}
