/**
 * Passing fds over a Unix socket: sendmsg(2) and recvmsg(2) with an SCM_RIGHTS control message (unix(7), cmsg(3)).
 * A passed fd is a new fd of the same open file: closing one side's leaves the other's alone.
 *
 * All structs are laid out for 64-bit Linux: msghdr 56 bytes (name 0, namelen 8, iov 16, iovlen 24, control 32,
 * controllen 40, flags 48), iovec 16 bytes, cmsghdr 16 bytes (len 0, level 8, type 12) with its data right after it.
 */
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const sendmsg = libc.func('intptr_t sendmsg(int, intptr_t, int)');
const recvmsg = libc.func('intptr_t recvmsg(int, intptr_t, int)');

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

/** The most fds that one message carries: SCM_MAX_FD in include/net/scm.h. */
export const MAX_FDS = 253;

const CMSG_HEADER = 16;
const MSGHDR_AT = 0;
const IOVEC_AT = 64;
const CONTROL_AT = 128;
const CONTROL_SIZE = CMSG_HEADER + MAX_FDS * 4 + 4;
const BYTES_AT = CONTROL_AT + 1056;

export interface FdMessenger {
  /** Up to 253 fds to send, or that arrived. */
  readonly fds: Int32Array;
  /** The message's bytes, to send or as they arrived. */
  readonly bytes: Buffer;
  /** Sends `length` bytes and `count` fds as one message. Returns >= 0, or -errno; the fds stay open here. */
  send(socket: number, length: number, count: number): number;
  /**
   * Receives one message. Returns its length in bytes (0: the peer has closed), or -errno. `received` then says how
   * many fds came, all close-on-exec and the caller's to close; `truncated`, that the kernel dropped some because
   * this process may not open more (MSG_CTRUNC).
   */
  receive(socket: number): number;
  readonly received: number;
  readonly truncated: boolean;
}

/** One reusable message of at most `size` bytes. */
export function createFdMessenger(size: number): FdMessenger {
  const memory = allocate(BYTES_AT + size);
  const { view, address } = memory;
  const controlData = CONTROL_AT + CMSG_HEADER;
  let received = 0;
  let truncated = false;
  view.setBigUint64(MSGHDR_AT + 16, BigInt(address + IOVEC_AT), true);
  view.setUint32(MSGHDR_AT + 24, 1, true);
  view.setBigUint64(MSGHDR_AT + 32, BigInt(address + CONTROL_AT), true);
  view.setBigUint64(IOVEC_AT, BigInt(address + BYTES_AT), true);

  return {
    fds: new Int32Array(view.buffer, controlData, MAX_FDS),
    bytes: memory.bytes.subarray(BYTES_AT, BYTES_AT + size),
    get received() {
      return received;
    },
    get truncated() {
      return truncated;
    },
    send(socket, length, count) {
      view.setUint32(IOVEC_AT + 8, length, true);
      view.setUint32(MSGHDR_AT + 40, count === 0 ? 0 : CMSG_HEADER + count * 4, true);
      view.setUint32(CONTROL_AT, CMSG_HEADER + count * 4, true);
      view.setInt32(CONTROL_AT + 8, SOL_SOCKET, true);
      view.setInt32(CONTROL_AT + 12, SCM_RIGHTS, true);
      const n = Number(sendmsg(socket, address + MSGHDR_AT, MSG_NOSIGNAL | MSG_DONTWAIT));
      return n < 0 ? -lastErrno() : n;
    },
    receive(socket) {
      view.setUint32(IOVEC_AT + 8, size, true);
      view.setUint32(MSGHDR_AT + 40, CONTROL_SIZE, true);
      view.setUint32(MSGHDR_AT + 48, 0, true);
      received = 0;
      truncated = false;
      const n = Number(recvmsg(socket, address + MSGHDR_AT, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
      if (n < 0) return -lastErrno();
      truncated = (view.getUint32(MSGHDR_AT + 48, true) & MSG_CTRUNC) !== 0;
      const control = view.getUint32(MSGHDR_AT + 40, true);
      if (
        control >= CMSG_HEADER &&
        view.getInt32(CONTROL_AT + 8, true) === SOL_SOCKET &&
        view.getInt32(CONTROL_AT + 12, true) === SCM_RIGHTS
      ) {
        received = (view.getUint32(CONTROL_AT, true) - CMSG_HEADER) >> 2;
      }
      return n;
    },
  };
}
