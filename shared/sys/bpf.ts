/**
 * bpf(2): maps and programs of the kernel's virtual machine. Offsets are those of `union bpf_attr` and the info structs
 * in include/uapi/linux/bpf.h. glibc has no wrapper, so the call goes through syscall(2).
 */
import { check, lastErrno, libc, SystemError } from './libc.ts';
import { allocate } from './memory.ts';

const syscall = libc.func('intptr_t syscall(long, int, intptr_t, uint32_t)');

/** asm/unistd_64.h; other machines use asm-generic/unistd.h. */
const SYS_bpf = process.arch === 'x64' ? 321 : 280;

const MAP_CREATE = 0;
const MAP_LOOKUP_ELEM = 1;
const MAP_UPDATE_ELEM = 2;
const MAP_DELETE_ELEM = 3;
const PROG_LOAD = 5;
const OBJ_PIN = 6;
const OBJ_GET = 7;
const PROG_GET_FD_BY_ID = 13;
const MAP_GET_FD_BY_ID = 14;
const OBJ_GET_INFO_BY_FD = 15;
const MAP_LOOKUP_BATCH = 24;

const MAP_TYPE_HASH = 1;
const MAP_TYPE_ARRAY = 2;
const MAP_TYPE_LRU_HASH = 9;
const PROG_TYPE_SOCKET_FILTER = 1;
const PROG_TYPE_SCHED_CLS = 3;
const ATTR_SIZE = 64;
const NAME_SIZE = 16;
const LOG_SIZE = 256 * 1024;
/** Keys that one batch asks for; a bucket of the hash table must fit (kernel/bpf/hashtab.c). */
const BATCH = 1024;

/** The map is full (-errno, as `MapAccess.update` returns it). */
export const MAP_FULL = -7;
/** There is no such key. */
export const NO_SUCH_KEY = -2;

// One attr and a page for what it points at. Every call below fills them anew: nothing is kept between calls.
const memory = allocate(8192);
const DATA = 4096;

function begin(): DataView {
  memory.bytes.fill(0, 0, ATTR_SIZE * 2);
  return memory.view;
}

function call(name: string, command: number): number {
  return check(`bpf(${name})`, Number(syscall(SYS_bpf, command, memory.address, ATTR_SIZE)));
}

function writeText(text: string, at: number, size: number): void {
  memory.bytes.fill(0, at, at + size);
  memory.bytes.write(text.slice(0, size - 1), at, 'latin1');
}

function readText(at: number): string {
  return memory.bytes.toString('latin1', at, memory.bytes.indexOf(0, at));
}

/** A new hash map that refuses what exceeds `maxEntries`; all its memory is taken now. */
export const createHashMap = (name: string, keySize: number, valueSize: number, maxEntries: number): number =>
  createMap(MAP_TYPE_HASH, name, keySize, valueSize, maxEntries);

/** As createHashMap, but what has not been used for longest makes room for what exceeds `maxEntries`. */
export const createLruHashMap = (
  name: string,
  keySize: number,
  valueSize: number,
  maxEntries: number,
): number => createMap(MAP_TYPE_LRU_HASH, name, keySize, valueSize, maxEntries);

/** `entries` places, numbered with 32 bits, all zero. */
export const createArrayMap = (name: string, valueSize: number, entries: number): number =>
  createMap(MAP_TYPE_ARRAY, name, 4, valueSize, entries);

function createMap(
  type: number,
  name: string,
  keySize: number,
  valueSize: number,
  maxEntries: number,
): number {
  const attr = begin();
  attr.setUint32(0, type, true);
  attr.setUint32(4, keySize, true);
  attr.setUint32(8, valueSize, true);
  attr.setUint32(12, maxEntries, true);
  writeText(name, 28, NAME_SIZE);
  return call('MAP_CREATE', MAP_CREATE);
}

/** Has the kernel check and load a tc classifier. What its verifier objects to is the end of the error's message. */
export const loadClassifier = (name: string, code: Buffer): number => load(PROG_TYPE_SCHED_CLS, name, code);

/** The same for a filter of sockets (SO_ATTACH_BPF, socket(7)). */
export const loadSocketFilter = (name: string, code: Buffer): number =>
  load(PROG_TYPE_SOCKET_FILTER, name, code);

function load(type: number, name: string, code: Buffer): number {
  const program = allocate(code.length);
  const log = allocate(LOG_SIZE);
  const tryToLoad = (): number => {
    const attr = begin();
    writeText('GPL', DATA, 8);
    attr.setUint32(0, type, true);
    attr.setUint32(4, code.length / 8, true);
    attr.setBigUint64(8, BigInt(program.address), true);
    attr.setBigUint64(16, BigInt(memory.address + DATA), true);
    attr.setUint32(24, 1, true);
    attr.setUint32(28, LOG_SIZE, true);
    attr.setBigUint64(32, BigInt(log.address), true);
    writeText(name, 48, NAME_SIZE);
    return call('PROG_LOAD', PROG_LOAD);
  };
  try {
    program.bytes.set(code);
    return loadPatiently(tryToLoad);
  } catch (error) {
    const said = log.bytes.toString('latin1', 0, log.bytes.indexOf(0)).trim();
    if (said !== '') (error as Error).message += `: ${said.split('\n').slice(-3).join('; ')}`;
    throw error;
  } finally {
    program.free();
    log.free();
  }
}

const LOAD_TRIES = 5;

/**
 * Loads again what failed with EAGAIN: the verifier gives up with it when a signal comes (kernel/bpf/verifier.c,
 * do_check). libbpf tries 5 times as well.
 */
export function loadPatiently(load: () => number): number {
  for (let tries = 1; ; tries++) {
    try {
      return load();
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== 'EAGAIN' || tries === LOAD_TRIES) throw error;
    }
  }
}

/** Gives a map or program a name in a BPF file system, which keeps it alive. */
export function pinObject(fd: number, path: string): void {
  const attr = begin();
  writeText(path, DATA, 4096);
  attr.setBigUint64(0, BigInt(memory.address + DATA), true);
  attr.setUint32(8, fd, true);
  call('OBJ_PIN', OBJ_PIN);
}

/** A new fd of what has this name in a BPF file system. */
export function openPinned(path: string): number {
  const attr = begin();
  writeText(path, DATA, 4096);
  attr.setBigUint64(0, BigInt(memory.address + DATA), true);
  return call('OBJ_GET', OBJ_GET);
}

/** A new fd (close-on-exec, as all of bpf(2)'s) of a program or map that is in the kernel. Takes CAP_SYS_ADMIN. */
export const openProgram = (id: number): number => openById('PROG_GET_FD_BY_ID', PROG_GET_FD_BY_ID, id);
export const openMap = (id: number): number => openById('MAP_GET_FD_BY_ID', MAP_GET_FD_BY_ID, id);

function openById(name: string, command: number, id: number): number {
  begin().setUint32(0, id, true);
  return call(name, command);
}

/** Fills DATA with `struct bpf_prog_info` or `bpf_map_info`; `prepare` writes its inputs. */
function getInfo(fd: number, prepare: (info: DataView) => void = () => {}): DataView {
  const attr = begin();
  const info = new DataView(attr.buffer, DATA, 256);
  memory.bytes.fill(0, DATA, DATA + 512);
  attr.setUint32(0, fd, true);
  attr.setUint32(4, 232, true);
  attr.setBigUint64(8, BigInt(memory.address + DATA), true);
  prepare(info);
  call('OBJ_GET_INFO_BY_FD', OBJ_GET_INFO_BY_FD);
  return info;
}

export interface ProgramInfo {
  readonly id: number;
  readonly name: string;
  /** A hash of its instructions, the same wherever it is loaded. */
  readonly tag: string;
  readonly mapIds: readonly number[];
}

export function programInfo(fd: number): ProgramInfo {
  const most = 16;
  const idsAt = DATA + 256;
  const info = getInfo(fd, (input) => {
    input.setUint32(52, most, true);
    input.setBigUint64(56, BigInt(memory.address + idsAt), true);
  });
  const count = Math.min(info.getUint32(52, true), most);
  return {
    id: info.getUint32(4, true),
    name: readText(DATA + 64),
    tag: memory.bytes.toString('hex', DATA + 8, DATA + 16),
    mapIds: Array.from({ length: count }, (_, i) => memory.view.getUint32(idsAt + 4 * i, true)),
  };
}

export interface MapInfo {
  readonly id: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}

export function mapInfo(fd: number): MapInfo {
  const info = getInfo(fd);
  return {
    id: info.getUint32(4, true),
    keySize: info.getUint32(8, true),
    valueSize: info.getUint32(12, true),
    maxEntries: info.getUint32(16, true),
    name: readText(DATA + 24),
  };
}

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
    Number(syscall(SYS_bpf, command, address, size)) < 0 ? -lastErrno() : 0;
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
      const failed = Number(syscall(SYS_bpf, MAP_LOOKUP_BATCH, address, ATTR_SIZE)) < 0;
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
