/**
 * bpf(2): maps and programs of the kernel's virtual machine. Offsets are those of `union bpf_attr` and the info structs
 * in include/uapi/linux/bpf.h. glibc has no wrapper, so the call goes through syscall(2).
 */
import { check, libc, SystemError } from './libc.ts';
import { allocate } from './memory.ts';

const syscall = libc.func('intptr_t syscall(long, int, intptr_t, uint32_t)');

/** asm/unistd_64.h; other machines use asm-generic/unistd.h. */
const SYS_bpf = process.arch === 'x64' ? 321 : 280;

/** As it is: -1, and errno, when it fails. */
export const bpf = (command: number, attr: number, size: number): number =>
  Number(syscall(SYS_bpf, command, attr, size));

const MAP_CREATE = 0;
const PROG_LOAD = 5;
const OBJ_PIN = 6;
const OBJ_GET = 7;
const PROG_GET_FD_BY_ID = 13;
const MAP_GET_FD_BY_ID = 14;
const OBJ_GET_INFO_BY_FD = 15;
const LINK_CREATE = 28;

const MAP_TYPE_HASH = 1;
const MAP_TYPE_ARRAY = 2;
const MAP_TYPE_LRU_HASH = 9;
const PROG_TYPE_SOCKET_FILTER = 1;
const PROG_TYPE_SCHED_CLS = 3;
const PROG_TYPE_SOCK_OPS = 13;
const ATTACH_CGROUP_SOCK_OPS = 3;
/** Linux 5.5. */
const MAP_MMAPABLE = 1 << 10;
export const ATTR_SIZE = 64;
const NAME_SIZE = 16;
const LOG_SIZE = 256 * 1024;

// One attr and a page for what it points at. Every call below fills them anew: nothing is kept between calls.
const memory = allocate(8192);
const DATA = 4096;

function begin(): DataView {
  memory.bytes.fill(0, 0, ATTR_SIZE * 2);
  return memory.view;
}

function call(name: string, command: number): number {
  return check(`bpf(${name})`, bpf(command, memory.address, ATTR_SIZE));
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

/** One place, which a process can have in its own memory (`mapShared`): what it writes there the program reads. */
export const createSharedPlace = (name: string, valueSize: number): number =>
  createMap(MAP_TYPE_ARRAY, name, 4, valueSize, 1, MAP_MMAPABLE);

function createMap(
  type: number,
  name: string,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  flags = 0,
): number {
  const attr = begin();
  attr.setUint32(0, type, true);
  attr.setUint32(4, keySize, true);
  attr.setUint32(8, valueSize, true);
  attr.setUint32(12, maxEntries, true);
  attr.setUint32(16, flags, true);
  writeText(name, 28, NAME_SIZE);
  return call('MAP_CREATE', MAP_CREATE);
}

/** A tc classifier. */
export const loadClassifier = (name: string, code: Buffer): number =>
  loadProgram(PROG_TYPE_SCHED_CLS, name, code);

/** What the kernel calls at the turning points of a TCP connection. */
export const loadSockOps = (name: string, code: Buffer): number =>
  loadProgram(PROG_TYPE_SOCK_OPS, name, code);

/** A filter of sockets (SO_ATTACH_BPF, socket(7)). */
export const loadSocketFilter = (name: string, code: Buffer): number =>
  loadProgram(PROG_TYPE_SOCKET_FILTER, name, code);

/** Has the kernel check and load a program. What its verifier objects to is the end of the error's message. */
function loadProgram(type: number, name: string, code: Buffer): number {
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

/**
 * Runs a sock_ops program for all sockets that processes of this cgroup (v2) make, and those of the cgroups below it, beside
 * what others have attached there; until the fd that this returns is closed, by whatever end of this process (Linux 5.7).
 */
export function attachSockOps(programFd: number, cgroupFd: number): number {
  const attr = begin();
  attr.setUint32(0, programFd, true);
  attr.setUint32(4, cgroupFd, true);
  attr.setUint32(8, ATTACH_CGROUP_SOCK_OPS, true);
  return call('LINK_CREATE', LINK_CREATE);
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
