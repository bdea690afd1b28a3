/** Sockets: accept, read, write, close. Man pages are named where a rule comes from them. */
import { hashBytes } from '../fnv.ts';
import { check, lastErrno, libc } from './libc.ts';
import type { Memory } from './memory.ts';
import {
  getOption,
  IPPROTO_TCP,
  LENGTH_AT,
  OPTION_AT,
  readOption,
  SOL_SOCKET,
  setOption,
  small,
  TCP_INFO,
  trySetOption,
} from './socket-options.ts';

const c = {
  accept4: libc.func('int accept4(int, intptr_t, intptr_t, int)'),
  close: libc.func('int close(int)'),
  connect: libc.func('int connect(int, const void *, uint32_t)'),
  fcntl: libc.func('int fcntl(int, int, ...)'),
  listen: libc.func('int listen(int, int)'),
  recv: libc.func('intptr_t recv(int, intptr_t, size_t, int)'),
  send: libc.func('intptr_t send(int, intptr_t, size_t, int)'),
  shutdown: libc.func('int shutdown(int, int)'),
};

const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** linux/in.h, linux/in6.h. */
const SOL_IP = 0;
const IP_FREEBIND = 15;
const SOL_IPV6 = 41;
const IPV6_FREEBIND = 78;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVLOWAT = 18;
/** include/uapi/asm-generic/socket.h, linux/sock_diag.h */
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const SO_REUSEPORT = 15;
const SO_ACCEPTCONN = 30;
/** Linux 5.14 and later; linux/socket.h. */
const SO_BUF_LOCK = 72;
const SOCK_RCVBUF_LOCK = 2;
const TCP_NODELAY = 1;
const TCP_DEFER_ACCEPT = 9;
const MSG_OOB = 0x1;
const MSG_PEEK = 0x2;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const SHUT_RD = 0;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const F_GETFD = 1;
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;

/** In struct tcp_info (include/uapi/linux/tcp.h). */
const TCPI_RCV_MSS = 20;
const TCPI_UNACKED = 24;
const TCPI_SACKED = 28;
const TCPI_LAST_DATA_SENT = 44;
const TCPI_LAST_DATA_RECV = 52;
const TCPI_RCV_WND = 232;

/** struct sockaddr with the family AF_UNSPEC. */
const nowhere = Buffer.alloc(16);

// --- the hot path: a value >= 0, or -errno ---

/**
 * How many connections wait to be accepted, without an object made for the answer. For a listener TCP_INFO has
 * sk_ack_backlog in tcpi_unacked and sk_max_ack_backlog in tcpi_sacked: net/ipv4/tcp.c, tcp_get_info.
 */
export function queuedConnections(listener: number): number {
  const n = readOption(listener, IPPROTO_TCP, TCP_INFO, TCPI_UNACKED + 4);
  return n < 0 ? -lastErrno() : small.view.getUint32(OPTION_AT + TCPI_UNACKED, true);
}

/** Takes one connection off a non-blocking listener; the new socket is non-blocking and close-on-exec (accept4(2)). */
export function acceptNonBlocking(listener: number): number {
  const fd = c.accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -lastErrno() : fd;
}

/** What acceptInto needs for each address: sockaddr_storage (128 bytes), then the socklen_t that says how much counts. */
export const ADDRESS_BYTES = 136;

/** As acceptNonBlocking, and keeps the client's address at `offset` of `into`, for `addressHash`. */
export function acceptInto(listener: number, into: Memory, offset: number): number {
  const address = into.address + offset;
  into.view.setUint32(offset + 128, 128, true);
  const fd = c.accept4(listener, address, address + 128, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -lastErrno() : fd;
}

/**
 * FNV-1a over the IP address (not the port) that an accept kept at `offset` of `from`: an unsigned 32-bit number, the
 * same for an IPv4 client whether the listener is IPv4 or dual-stack IPv6 (sockaddr_in: address at 4; sockaddr_in6: at
 * 8, an IPv4-mapped one in its last four bytes).
 */
export function addressHash({ bytes }: Memory, offset: number): number {
  const isV6 = bytes.readUInt16LE(offset) === 10;
  const mapped =
    isV6 && bytes.readUInt32BE(offset + 16) === 0xffff && bytes.readBigUInt64BE(offset + 8) === 0n;
  const start = !isV6 ? 4 : mapped ? 20 : 8;
  const end = isV6 ? 24 : 8;
  return hashBytes(bytes, offset + start, offset + end);
}

/** Copies what has arrived and leaves it in the socket (MSG_PEEK). 0: the peer has closed and nothing is left. */
export function peek(fd: number, into: Memory, offset: number, length: number): number {
  const n = Number(c.recv(fd, into.address + offset, length, MSG_PEEK | MSG_DONTWAIT));
  return n < 0 ? -lastErrno() : n;
}

/**
 * Whether a socket has, or is about to get, input that peeking from its first byte can not show: behind an urgent byte
 * (peeking stops there, whatever SO_OOBINLINE says: net/ipv4/tcp.c, tcp_recvmsg_locked), or not sent because what is
 * there leaves the peer no window for a segment (tcp_info has rcv_mss at 20 and, since Linux 6.2, rcv_wnd at 232).
 */
export function hidesInput(fd: number): boolean {
  if (c.recv(fd, small.address, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT) === 1) return true;
  if (readOption(fd, IPPROTO_TCP, TCP_INFO, 236) < 0) return false;
  if (small.view.getUint32(LENGTH_AT, true) < 236) return false;
  const window = small.view.getUint32(OPTION_AT + TCPI_RCV_WND, true);
  return window <= small.view.getUint32(OPTION_AT + TCPI_RCV_MSS, true);
}

/**
 * Whether the kernel may enlarge the receive buffer. Where it does not, it joins small packets that wait in one when it is full;
 * where it does, thousands of them lie there one by one, and MSG_PEEK goes through all before each that it copies:
 * net/ipv4/tcp.c, tcp_recvmsg_locked. Without effect on kernels that do not know the option.
 */
export function letReceiveBufferGrow(fd: number, may: boolean): void {
  trySetOption(fd, SOL_SOCKET, SO_BUF_LOCK, may ? 0 : SOCK_RCVBUF_LOCK);
}

/**
 * Readiness is reported once so many bytes wait, or nothing more will come (socket(7)); 1 as at the start. The kernel makes the
 * buffer large enough for them, within tcp_rmem's maximum (net/ipv4/tcp.c, tcp_set_rcvlowat). It goes with the socket, so
 * whoever gets that must find it as it was.
 */
export function setReceiveLowWater(fd: number, bytes: number): void {
  trySetOption(fd, SOL_SOCKET, SO_RCVLOWAT, bytes);
}

/** Takes what has arrived, at most `length` bytes. 0: end of input. */
export function receive(fd: number, into: Memory, offset: number, length: number): number {
  const n = Number(c.recv(fd, into.address + offset, length, MSG_DONTWAIT));
  return n < 0 ? -lastErrno() : n;
}

/** Throws away up to `length` bytes of a TCP socket's input without copying them (MSG_TRUNC, tcp(7)). */
export function discard(fd: number, length: number): number {
  const n = Number(c.recv(fd, small.address, length, MSG_TRUNC | MSG_DONTWAIT));
  return n < 0 ? -lastErrno() : n;
}

/** Writes what fits; never raises SIGPIPE. */
export function write(fd: number, from: Memory, offset: number, length: number): number {
  const n = Number(c.send(fd, from.address + offset, length, MSG_NOSIGNAL | MSG_DONTWAIT));
  return n < 0 ? -lastErrno() : n;
}

/**
 * As write, for the last bytes before `endWriting` or closing, one of which must follow: they wait for it, and leave together with its
 * FIN instead of in a packet before it (MSG_MORE, send(2)).
 */
export function writeLast(fd: number, from: Memory, offset: number, length: number): number {
  const n = Number(c.send(fd, from.address + offset, length, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE));
  return n < 0 ? -lastErrno() : n;
}

/** Sends FIN after what was written; reading goes on (shutdown(2)). */
export const endWriting = (fd: number): number => (c.shutdown(fd, SHUT_WR) < 0 ? -lastErrno() : 0);

/**
 * Ends a TCP connection at once, whoever has another copy of the fd, with a reset (tcp_disconnect in net/ipv4/tcp.c, by
 * connect(2) with AF_UNSPEC). The fd stays open.
 */
export function resetConnection(fd: number): void {
  c.connect(fd, nowhere, nowhere.length);
}

/**
 * What close(2) does to a TCP connection of which nobody else has a copy, done at once whoever has one: a reset when
 * input is left that nobody has read, else FIN. The fd stays open.
 */
export function endConnection(fd: number): void {
  if (peek(fd, small, 0, 1) > 0) resetConnection(fd);
  else c.shutdown(fd, SHUT_RDWR);
}

/**
 * Refuses all that the peer has not sent yet: for a Unix socket its next send fails with EPIPE, while what already
 * arrived can still be read (net/unix/af_unix.c, unix_shutdown).
 */
export const endReading = (fd: number): number => (c.shutdown(fd, SHUT_RD) < 0 ? -lastErrno() : 0);

/** Closes once. On Linux the fd is gone even when close(2) reports an error, so there is nothing to do about one. */
export function closeFd(fd: number): void {
  c.close(fd);
}

// --- set-up and questions: throw SystemError ---

/** Makes a bound socket a listener, with at most `backlog` connections waiting (the kernel caps it at somaxconn). */
export const listen = (fd: number, backlog: number): void => void check('listen', c.listen(fd, backlog));

/** As `listen`; 0, or -errno. */
export const tryListen = (fd: number, backlog: number): number =>
  c.listen(fd, backlog) < 0 ? -lastErrno() : 0;

export function setNonBlocking(fd: number): void {
  const flags = check('fcntl', c.fcntl(fd, F_GETFL, 'int', 0));
  check('fcntl', c.fcntl(fd, F_SETFL, 'int', flags | SOCK_NONBLOCK));
}

export function setCloseOnExec(fd: number): void {
  const flags = check('fcntl', c.fcntl(fd, F_GETFD, 'int', 0));
  check('fcntl', c.fcntl(fd, F_SETFD, 'int', flags | FD_CLOEXEC));
}

/** A second fd of the same open file, the caller's to close. Throws SystemError (fcntl(2), F_DUPFD_CLOEXEC). */
export const duplicateFd = (fd: number): number => check('fcntl', c.fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0));

/** Another socket may have the same local address, as long as it does not listen (socket(7)). */
export const setReuseAddress = (fd: number): void => setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);

/** Another socket of the same user that has it as well may have the same local address, and listen (socket(7)). */
export const setReusePort = (fd: number): void => setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);

/** It may be bound to an address that this host does not have, or not yet (IP_FREEBIND, ip(7), ipv6(7)). */
export const allowElsewhere = (fd: number, isV6: boolean): void =>
  isV6 ? setOption(fd, SOL_IPV6, IPV6_FREEBIND, 1) : setOption(fd, SOL_IP, IP_FREEBIND, 1);

/** On a listener, every accepted socket inherits it (tcp(7)). */
export const setNoDelay = (fd: number): void => setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);

/**
 * A listener then gives out connections whose client has sent something, or that have waited about so long: the kernel
 * rounds up to a number of repeated SYN-ACKs, 1, 3, 7, ... seconds (tcp(7); net/ipv4/tcp.c, secs_to_retrans).
 */
export const deferAccept = (listener: number, seconds: number): void =>
  setOption(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, Math.ceil(seconds));

/** The kernel doubles it and caps it at net.core.wmem_max (socket(7)). */
export const setSendBuffer = (fd: number, bytes: number): void => setOption(fd, SOL_SOCKET, SO_SNDBUF, bytes);

/** It is a socket, and listens (SO_ACCEPTCONN, socket(7)). */
export const isListening = (fd: number): boolean =>
  readOption(fd, SOL_SOCKET, SO_ACCEPTCONN, 4) >= 0 && small.view.getUint32(OPTION_AT, true) === 1;

/** How many connections wait to be accepted, as `queuedConnections`, and the limit. */
export function listenQueue(listener: number): { queued: number; backlog: number; drops: number } {
  const info = getOption(listener, IPPROTO_TCP, TCP_INFO, 104);
  const [queued, backlog] = [info.getUint32(TCPI_UNACKED, true), info.getUint32(TCPI_SACKED, true)];
  // What tcp_listendrop() counts, net/ipv4/tcp_ipv4.c; the host's TcpExtListenDrops is the sum over all listeners.
  const memory = getOption(listener, SOL_SOCKET, SO_MEMINFO, 4 * (SK_MEMINFO_DROPS + 1));
  return { queued, backlog, drops: memory.getUint32(4 * SK_MEMINFO_DROPS, true) };
}

/** Milliseconds since the last byte in either direction, or since it was connected; what waits unread counts as well. */
export function silentMs(fd: number): number {
  const info = getOption(fd, IPPROTO_TCP, TCP_INFO, 104);
  return Math.min(info.getUint32(TCPI_LAST_DATA_SENT, true), info.getUint32(TCPI_LAST_DATA_RECV, true));
}
