/**
 * Memory at a fixed address that both JavaScript and the kernel use. A Buffer's address may not be kept across
 * calls, and passing one costs koffi a look-up; an address that never changes is passed as a plain number.
 */
import koffi from 'koffi';
import { check, lastErrno, libc, SystemError } from './libc.ts';

const mmap = libc.func('intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)');
const munmap = libc.func('int munmap(intptr_t, size_t)');

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

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
  const address = Number(mmap(0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
  if (address === -1) throw new SystemError('mmap', lastErrno());
  const buffer = koffi.view(BigInt(address), size);
  return {
    address,
    bytes: Buffer.from(buffer),
    view: new DataView(buffer),
    free: () => void check('munmap', munmap(address, size)),
  };
}
