/** What a socket takes of what arrives for it: all, or nothing (SO_ATTACH_FILTER, socket(7)). */
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const setsockopt = libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)');

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
/** BPF_RET | BPF_K with 0 (linux/filter.h): no byte of a packet is let through. */
const RETURN = 0x06;

/** struct sock_fprog: length 0, pointer 8; struct sock_filter behind it: code 0, jt 2, jf 3, k 4. */
const memory = allocate(64);
const PROGRAM_SIZE = 16;
const FILTER_AT = 16;
memory.view.setUint16(0, 1, true);
memory.view.setBigUint64(8, BigInt(memory.address + FILTER_AT), true);
memory.view.setUint16(FILTER_AT, RETURN, true);

/** From now on what arrives is dropped without a word, as if it had been lost on its way. 0, or -errno. */
export const deafen = (fd: number): number =>
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, memory.address, PROGRAM_SIZE) < 0 ? -lastErrno() : 0;

/** It hears again. */
export const hearAgain = (fd: number): number =>
  setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, memory.address, 4) < 0 ? -lastErrno() : 0;
