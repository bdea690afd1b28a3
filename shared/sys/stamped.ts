/**
 * Reading from a TCP connection together with the moment at which the bytes arrived, by the kernel's clock: how long this
 * process took to wake up is not in it (socket(7), SO_TIMESTAMPNS; net/ipv4/tcp.c, tcp_recv_timestamp).
 */
import { lastErrno, libc } from './libc.ts';
import { allocate, type Memory } from './memory.ts';

const c = {
  clockGettime: libc.func('int clock_gettime(int, intptr_t)'),
  getsockopt: libc.func('int getsockopt(int, int, int, intptr_t, intptr_t)'),
  recvmsg: libc.func('intptr_t recvmsg(int, intptr_t, int)'),
  setsockopt: libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)'),
};

const CLOCK_REALTIME = 0;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
/** Also the type of its control message. */
const SO_TIMESTAMPNS = 35;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const MSG_DONTWAIT = 0x40;

// Laid out for 64-bit Linux, as in pass-fds.ts; the control message is a cmsghdr (16 bytes) and a timespec.
const IOVEC_AT = 64;
const CONTROL_AT = 128;
const CONTROL_SIZE = 16 + 16;
const WORD_AT = 192;
const LENGTH_AT = 200;
const TIME_AT = 208;
const INFO_AT = 256;
/** Up to tcpi_total_retrans. */
const INFO_SIZE = 104;
const memory = allocate(512);
const { view, address } = memory;
view.setBigUint64(16, BigInt(address + IOVEC_AT), true);
view.setUint32(24, 1, true);
view.setBigUint64(32, BigInt(address + CONTROL_AT), true);

/** A timespec in microseconds: exact to a quarter of one until the year 2255. */
const microsAt = (at: number): number =>
  Number(view.getBigInt64(at, true)) * 1e6 + Number(view.getBigInt64(at + 8, true)) / 1e3;

/** What `receiveStamped` found beside the bytes; overwritten by each call. */
export const stamp = {
  /** When the last packet that was read had arrived, microseconds since 1970; 0 when the kernel does not say. */
  micros: 0,
};

/** From now on the kernel notes when packets for this socket arrive. 0, or -errno. */
export function stampArrivals(fd: number): number {
  view.setInt32(WORD_AT, 1, true);
  return c.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, address + WORD_AT, 4) < 0 ? -lastErrno() : 0;
}

/** Reads at most `length` bytes to the start of `into`. Their number (0: the peer has ended), or -errno. */
export function receiveStamped(fd: number, into: Memory, length: number): number {
  view.setBigUint64(IOVEC_AT, BigInt(into.address), true);
  view.setUint32(IOVEC_AT + 8, length, true);
  view.setUint32(40, CONTROL_SIZE, true);
  const n = Number(c.recvmsg(fd, address, MSG_DONTWAIT));
  if (n < 0) return -lastErrno();
  const has =
    view.getUint32(40, true) >= CONTROL_SIZE &&
    view.getInt32(CONTROL_AT + 8, true) === SOL_SOCKET &&
    view.getInt32(CONTROL_AT + 12, true) === SO_TIMESTAMPNS;
  stamp.micros = has ? microsAt(CONTROL_AT + 16) : 0;
  return n;
}

/** Now, by the clock of the stamps. */
export function realtimeMicros(): number {
  c.clockGettime(CLOCK_REALTIME, address + TIME_AT);
  return microsAt(TIME_AT);
}

/** What became of a connection that was begun: 0, or -errno (connect(2), EINPROGRESS). */
export function connectResult(fd: number): number {
  view.setUint32(LENGTH_AT, 4, true);
  const result = c.getsockopt(fd, SOL_SOCKET, SO_ERROR, address + WORD_AT, address + LENGTH_AT);
  return result < 0 ? -lastErrno() : -view.getInt32(WORD_AT, true);
}

/**
 * From SYN to SYN-ACK as the kernel timed it, microseconds; right after connecting, before anything is sent. 0 when it did
 * not: a SYN that was sent again leaves none (Karn's algorithm, RFC 6298 section 3).
 */
export function handshakeMicros(fd: number): number {
  view.setUint32(LENGTH_AT, INFO_SIZE, true);
  if (c.getsockopt(fd, IPPROTO_TCP, TCP_INFO, address + INFO_AT, address + LENGTH_AT) < 0) return 0;
  // struct tcp_info: tcpi_rtt at 68, tcpi_total_retrans at 100.
  return view.getUint32(INFO_AT + 100, true) > 0 ? 0 : view.getUint32(INFO_AT + 68, true);
}
