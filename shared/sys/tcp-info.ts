/** What the kernel says of a TCP connection to whoever has its socket: its state, what its ends have settled, and its path. */
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';
import { IPPROTO_TCP, TCP_INFO } from './socket-options.ts';

const getsockopt = libc.func('int getsockopt(int, int, int, intptr_t, intptr_t)');

const TCP_CONGESTION = 13;

/** enum in include/net/tcp_states.h, from 1 on. */
const states = [
  'unknown',
  'established',
  'syn-sent',
  'syn-received',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'closed',
  'close-wait',
  'last-ack',
  'listening',
  'closing',
  'syn-received',
] as const;
export type TcpState = (typeof states)[number];

const scratch = allocate(4096);
const { view } = scratch;
const INFO_AT = 0;
/** Up to and including tcpi_data_segs_out (include/uapi/linux/tcp.h, struct tcp_info; Linux 4.6). */
const INFO_SIZE = 160;
const LENGTH_AT = 512;
const NAME_AT = 544;
/** TCP_CA_NAME_MAX (include/net/tcp.h). */
const NAME_SIZE = 16;

function get(fd: number, option: number, at: number, size: number): number {
  view.setUint32(LENGTH_AT, size, true);
  const result = getsockopt(fd, IPPROTO_TCP, option, scratch.address + at, scratch.address + LENGTH_AT);
  return result < 0 ? -lastErrno() : 0;
}

/** What readInfo found; one object, overwritten by each call. */
export const tcpInfo = {
  state: 'unknown' as TcpState,
  timestamps: false,
  sack: false,
  windowScaling: false,
  /** Shifts of the windows that the peer announces and that this side does. */
  peerScale: 0,
  ownScale: 0,
  /** Payload of a full segment, bytes. */
  sendMss: 0,
  /** Bytes that were written and never sent. */
  unsent: 0,
  /** Bytes received in order since the connection began, modulo 2^32. */
  received: 0,
};

/** Reads TCP_INFO into `tcpInfo` (net/ipv4/tcp.c, tcp_get_info). */
export function readInfo(fd: number): number {
  const result = get(fd, TCP_INFO, INFO_AT, INFO_SIZE);
  if (result < 0) return result;
  const options = view.getUint8(INFO_AT + 5);
  const scales = view.getUint8(INFO_AT + 6);
  tcpInfo.state = states[view.getUint8(INFO_AT)] ?? 'unknown';
  tcpInfo.timestamps = (options & 1) !== 0;
  tcpInfo.sack = (options & 2) !== 0;
  tcpInfo.windowScaling = (options & 4) !== 0;
  tcpInfo.peerScale = scales & 15;
  tcpInfo.ownScale = scales >> 4;
  tcpInfo.sendMss = view.getUint32(INFO_AT + 16, true);
  tcpInfo.received = view.getUint32(INFO_AT + 128, true);
  tcpInfo.unsent = view.getUint32(INFO_AT + 144, true);
  return 0;
}

/** What a connection knows of its path. */
export interface PathInfo {
  /** Segments with data, repeated ones among them, that this socket has sent. */
  readonly dataSegmentsSent: number;
  /** How many may be on their way (snd_cwnd), and from how many on there are no longer twice as many after a round trip. */
  readonly window: number;
  readonly threshold: number;
  /** Payload of a full segment, bytes. */
  readonly segment: number;
  /** enum tcp_ca_state. */
  readonly recovery: number;
  /** Smoothed, and the time after which something is sent again; microseconds. */
  readonly roundTrip: number;
  readonly timeout: number;
  /** Since it last sent data. */
  readonly silentMs: number;
  /** What the kernel would pace it by, whether it does or not; bytes a second. */
  readonly rate: number;
  /** SO_MAX_PACING_RATE, bytes a second; undefined for none. */
  readonly rateLimit: number | undefined;
}

/** Of the socket that was read last (readInfo). */
export function pathInfo(): PathInfo {
  const limit = view.getBigUint64(INFO_AT + 112, true);
  return {
    recovery: view.getUint8(INFO_AT + 1),
    timeout: view.getUint32(INFO_AT + 8, true),
    segment: view.getUint32(INFO_AT + 16, true),
    silentMs: view.getUint32(INFO_AT + 44, true),
    roundTrip: view.getUint32(INFO_AT + 68, true),
    threshold: view.getUint32(INFO_AT + 76, true),
    window: view.getUint32(INFO_AT + 80, true),
    rate: Number(view.getBigUint64(INFO_AT + 104, true)),
    rateLimit: limit === ANY_RATE ? undefined : Number(limit),
    dataSegmentsSent: view.getUint32(INFO_AT + 156, true),
  };
}
const ANY_RATE = 0xffff_ffff_ffff_ffffn;

/** Its name, as net.ipv4.tcp_congestion_control has it; empty where it cannot be read. */
export function congestionControl(fd: number): string {
  if (get(fd, TCP_CONGESTION, NAME_AT, NAME_SIZE) < 0) return '';
  const name = scratch.bytes.toString('latin1', NAME_AT, NAME_AT + NAME_SIZE);
  return name.slice(0, name.indexOf('\0'));
}
