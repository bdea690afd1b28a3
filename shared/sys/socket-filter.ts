/** What a socket takes of what arrives for it: all, or nothing (SO_ATTACH_FILTER, socket(7)). */
import { loadSocketFilter } from './bpf.ts';
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';
import { keepForThread } from './thread-end.ts';

const setsockopt = libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)');

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const SO_ATTACH_BPF = 50;
/** BPF_RET | BPF_K with 0 (linux/filter.h): no byte of a packet is let through. */
const RETURN = 0x06;

/** struct sock_fprog: length 0, pointer 8; struct sock_filter behind it: code 0, jt 2, jf 3, k 4. */
const memory = allocate(64);
const PROGRAM_SIZE = 16;
const FILTER_AT = 16;
memory.view.setUint16(0, 1, true);
memory.view.setBigUint64(8, BigInt(memory.address + FILTER_AT), true);
memory.view.setUint16(FILTER_AT, RETURN, true);

/** r0 = 0; exit (linux/bpf.h). */
const INSTRUCTIONS = Buffer.from('b7000000000000009500000000000000', 'hex');
const PROGRAM_AT = 32;

/**
 * One for all sockets of this thread, loaded when it is first needed: with a filter of its own for each the kernel would translate
 * it anew, 8 us.
 */
let loaded: boolean | undefined;
function tryToLoad(): boolean {
  try {
    memory.view.setInt32(PROGRAM_AT, keepForThread(loadSocketFilter('deaf', INSTRUCTIONS)), true);
    return true;
  } catch {
    // It may not; the older way needs no privilege.
    return false;
  }
}

function attach(fd: number): number {
  loaded ??= tryToLoad();
  return loaded
    ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, memory.address + PROGRAM_AT, 4)
    : setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, memory.address, PROGRAM_SIZE);
}

/** From now on what arrives is dropped without a word, as if it had been lost on its way. 0, or -errno. */
export const deafen = (fd: number): number => (attach(fd) < 0 ? -lastErrno() : 0);

/** It hears again. */
export const hearAgain = (fd: number): number =>
  setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, memory.address, 4) < 0 ? -lastErrno() : 0;
