/** What a map of the kernel's virtual machine holds: read and written by key (bpf(2)). */
import { ATTR_SIZE, bpf } from './bpf.ts';
import { lastErrno, SystemError } from './libc.ts';
import { allocate } from './memory.ts';

const MAP_LOOKUP_ELEM = 1;
const MAP_UPDATE_ELEM = 2;
const MAP_DELETE_ELEM = 3;
const MAP_LOOKUP_BATCH = 24;

/** Keys that one batch asks for; a bucket of the hash table must fit (kernel/bpf/hashtab.c). */
const BATCH = 1024;

/** The map is full (-errno, as `MapAccess.update` returns it). */
export const MAP_FULL = -7;
/** There is no such key. */
export const NO_SUCH_KEY = -2;

export interface MapAccess {
  /** Where the key and value of the next call are, or those that a look-up found. */
  readonly key: Buffer;
  readonly value: Buffer;
  /** Sets `key` to `value`, whether it was there or not. 0, or -errno. */
  update(): number;
  lookup(): number;
  remove(): number;
  /** Calls `each` for every entry, which it may read only while it runs. Entries that come or go meanwhile may be missed. */
  walk(each: (key: Buffer, value: Buffer) => void): void;
  /** Gives the memory back; nothing here may be used afterwards. */
  free(): void;
}

/** Reads and writes a map through memory of its own: no call allocates. The map's fd stays the caller's. */
export function accessMap(fd: number, keySize: number, valueSize: number): MapAccess {
  const keyAt = ATTR_SIZE;
  const valueAt = keyAt + Math.ceil(keySize / 8) * 8;
  const own = allocate(valueAt + valueSize);
  const { view, address } = own;
  view.setUint32(0, fd, true);
  view.setBigUint64(8, BigInt(address + keyAt), true);
  view.setBigUint64(16, BigInt(address + valueAt), true);

  const element = (command: number, size: number): number =>
    bpf(command, address, size) < 0 ? -lastErrno() : 0;
  return {
    key: own.bytes.subarray(keyAt, keyAt + keySize),
    value: own.bytes.subarray(valueAt, valueAt + valueSize),
    update: () => element(MAP_UPDATE_ELEM, 32),
    lookup: () => element(MAP_LOOKUP_ELEM, 32),
    // The kernel refuses an attr with more in it than the command reads.
    remove: () => element(MAP_DELETE_ELEM, 16),
    walk: (each) => walkMap(fd, keySize, valueSize, each),
    free: own.free,
  };
}

/** In batches: key by key, an entry that is deleted meanwhile would send the walk back to its start. */
function walkMap(fd: number, keySize: number, valueSize: number, each: (k: Buffer, v: Buffer) => void): void {
  const keysAt = ATTR_SIZE + 16;
  const valuesAt = keysAt + Math.ceil((keySize * BATCH) / 8) * 8;
  const own = allocate(valuesAt + valueSize * BATCH);
  const { view, address, bytes } = own;
  try {
    for (let more = true, first = true; more; first = false) {
      view.setBigUint64(0, first ? 0n : BigInt(address + ATTR_SIZE), true);
      view.setBigUint64(8, BigInt(address + ATTR_SIZE), true);
      view.setBigUint64(16, BigInt(address + keysAt), true);
      view.setBigUint64(24, BigInt(address + valuesAt), true);
      view.setUint32(32, BATCH, true);
      view.setUint32(36, fd, true);
      const failed = bpf(MAP_LOOKUP_BATCH, address, ATTR_SIZE) < 0;
      // ENOENT: this was the last batch, and it counts.
      if (failed && -lastErrno() !== NO_SUCH_KEY) throw new SystemError('bpf(MAP_LOOKUP_BATCH)', lastErrno());
      more = !failed;
      const count = view.getUint32(32, true);
      for (let i = 0; i < count; i++) {
        const key = keysAt + i * keySize;
        const value = valuesAt + i * valueSize;
        each(bytes.subarray(key, key + keySize), bytes.subarray(value, value + valueSize));
      }
    }
  } finally {
    own.free();
  }
}
