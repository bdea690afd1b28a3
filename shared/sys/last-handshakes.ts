/**
 * Ending a listener without resetting those who are about to connect. Closing it resets what is in its queue and answers
 * the last packet of a handshake that is under way with a reset (net/ipv4/inet_connection_sock.c, inet_csk_listen_stop), and
 * between the last accept and close(2) there is always time for both. So it first drops every SYN (socket(7),
 * SO_ATTACH_FILTER): clients repeat theirs after a second, and find whoever listens then. What was begun is finished
 * and accepted meanwhile.
 */
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';
import { closeFd } from './sockets.ts';

const setsockopt = libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)');
const getsockname = libc.func('int getsockname(int, intptr_t, intptr_t)');
const socket = libc.func('int socket(int, int, int)');
const send = libc.func('intptr_t send(int, intptr_t, size_t, int)');
const recv = libc.func('intptr_t recv(int, intptr_t, size_t, int)');

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;

// Classic BPF (linux/bpf_common.h), on the TCP header: its flags are in byte 13, SYN is 2 and ACK 16.
const LOAD_BYTE = 0x30;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
const PROGRAM: readonly (readonly [code: number, jumpTrue: number, jumpFalse: number, k: number])[] = [
  [LOAD_BYTE, 0, 0, 13],
  [AND, 0, 0, 2 | 16],
  [JUMP_EQUAL, 0, 1, 2],
  [RETURN, 0, 0, 0],
  [RETURN, 0, 0, 0xffffffff],
];

/** Drops every SYN that comes to a listener from now on; false when the kernel does not let it. */
export function dropHandshakes(listener: number): boolean {
  const memory = allocate(4096);
  try {
    const { view, address } = memory;
    for (const [i, [code, jumpTrue, jumpFalse, k]] of PROGRAM.entries()) {
      view.setUint16(16 + i * 8, code, true);
      view.setUint8(18 + i * 8, jumpTrue);
      view.setUint8(19 + i * 8, jumpFalse);
      view.setUint32(20 + i * 8, k, true);
    }
    // struct sock_fprog: len 0, filter 8.
    view.setUint16(0, PROGRAM.length, true);
    view.setBigUint64(8, BigInt(address + 16), true);
    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, address, 16) >= 0;
  } finally {
    memory.free();
  }
}

const scratch = allocate(8192);

/** A connection inherits its listener's filter: takes it off. 0, or -errno. */
export function detachFilter(fd: number): number {
  return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, scratch.address, 4) < 0 ? -lastErrno() : 0;
}

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST_DUMP = 1 | 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const IPPROTO_TCP = 6;
const MSG_DONTWAIT = 0x40;
/** include/net/tcp_states.h */
const SYN_RECEIVED = 3;
const REQUEST_SIZE = 72;
const ANSWER_AT = 4096;

/**
 * Whether somebody's handshake is under way at the port of a listener: its SYN was answered, and its ACK has not come.
 * Asked over netlink (sock_diag(7)); false where the kernel does not tell. Looks at every connection of the network
 * namespace: not for the hot path.
 */
export function hasHandshakes(listener: number): boolean {
  const { address, view } = scratch;
  view.setUint32(0, 128, true);
  if (getsockname(listener, address + 8, address) < 0) return false;
  const port = view.getUint16(10, false);
  const families = view.getUint16(8, true) === AF_INET ? [AF_INET] : [AF_INET, AF_INET6];
  return families.some((family) => isListed(family, port, SYN_RECEIVED));
}

function isListed(family: number, port: number, state: number): boolean {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return false;
  try {
    const { address, bytes, view } = scratch;
    // struct nlmsghdr (16 bytes), then struct inet_diag_req_v2 (linux/inet_diag.h): family 0, protocol 1, states 4, ports 8.
    bytes.fill(0, 0, REQUEST_SIZE);
    view.setUint32(0, REQUEST_SIZE, true);
    view.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
    view.setUint16(6, NLM_F_REQUEST_DUMP, true);
    view.setUint8(16, family);
    view.setUint8(17, IPPROTO_TCP);
    view.setUint32(20, 1 << state, true);
    view.setUint16(24, port, false);
    if (Number(send(fd, address, REQUEST_SIZE, MSG_DONTWAIT)) < 0) return false;
    if (Number(recv(fd, address + ANSWER_AT, 4096, MSG_DONTWAIT)) < 16) return false;
    const type = view.getUint16(ANSWER_AT + 4, true);
    return type !== NLMSG_DONE && type !== NLMSG_ERROR;
  } finally {
    closeFd(fd);
  }
}
