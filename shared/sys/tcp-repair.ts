/**
 * A TCP socket in repair mode: the kernel lets a privileged process read and set what is otherwise its own (CAP_NET_ADMIN
 * in the user namespace that owns the socket's network namespace: net/ipv4/tcp.c, tcp_can_repair_sock). The order in
 * which these calls make sense is in `shared/tcp-repair`. All return a value >= 0 or -errno. What can be read of any
 * socket is in `tcp-info.ts`.
 */
import { EAGAIN, lastErrno, libc } from './libc.ts';
import { allocate, type Memory } from './memory.ts';

const c = {
  getsockopt: libc.func('int getsockopt(int, int, int, intptr_t, intptr_t)'),
  recv: libc.func('intptr_t recv(int, intptr_t, size_t, int)'),
  send: libc.func('intptr_t send(int, intptr_t, size_t, int)'),
  setsockopt: libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)'),
  shutdown: libc.func('int shutdown(int, int)'),
};

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_LINGER = 13;
const SO_SNDBUFFORCE = 32;
const SO_BUF_LOCK = 72;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_MAXSEG = 2;
const TCP_LINGER2 = 8;
const TCP_REPAIR = 19;
const TCP_REPAIR_QUEUE = 20;
const TCP_QUEUE_SEQ = 21;
const TCP_REPAIR_OPTIONS = 22;
const TCP_TIMESTAMP = 24;
const TCP_NOTSENT_LOWAT = 25;
const TCP_REPAIR_WINDOW = 29;
const MSG_PEEK = 0x2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_RD = 0;

const REPAIR_OFF = 0;
const REPAIR_ON = 1;
const REPAIR_OFF_WITHOUT_PROBE = -1;

/** TCP_REPAIR_OPTIONS are named by their kind in a TCP header (include/net/tcp.h, TCPOPT_*). */
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK = 4;
const OPTION_TIMESTAMP = 8;

/** TCP_MAXSEG takes TCP_MIN_MSS to MAX_TCP_WINDOW (include/net/tcp.h). */
export const MSS_MIN = 88;
const MAXSEG_MAX = 32_767;

const scratch = allocate(4096);
const { view } = scratch;
const WORD_AT = 0;
const LENGTH_AT = 8;
const WINDOW_AT = 32;
const WINDOW_SIZE = 20;
const OPTIONS_AT = 64;

function set(fd: number, level: number, option: number, value: number): number {
  view.setUint32(WORD_AT, value, true);
  return c.setsockopt(fd, level, option, scratch.address + WORD_AT, 4) < 0 ? -lastErrno() : 0;
}

function get(fd: number, option: number, at: number, size: number): number {
  view.setUint32(LENGTH_AT, size, true);
  return c.getsockopt(fd, IPPROTO_TCP, option, scratch.address + at, scratch.address + LENGTH_AT) < 0
    ? -lastErrno()
    : 0;
}

function getWord(fd: number, option: number): number {
  const result = get(fd, option, WORD_AT, 4);
  return result < 0 ? result : view.getUint32(WORD_AT, true);
}

/** EPERM: no CAP_NET_ADMIN here, or a listening socket. Also makes the socket share its address with any other. */
export const enterRepair = (fd: number): number => set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON);

/**
 * The connection goes on. An established one sends a window probe: an empty segment that the peer answers, so that it
 * shows what it has received and how much it takes. Leaving repair mode also clears SO_REUSEADDR; left so, no
 * listener could be bound to this port again while the connection lives.
 */
export function leaveRepair(fd: number): number {
  const result = set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF);
  return result < 0 ? result : set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/** As leaveRepair, without the window probe: nothing is sent. */
export function leaveRepairQuietly(fd: number): number {
  const result = set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_WITHOUT_PROBE);
  return result < 0 ? result : set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/** Ends reading after the receive queue; nothing is sent (net/ipv4/tcp.c, tcp_shutdown). */
export const endInput = (fd: number): number => (c.shutdown(fd, SHUT_RD) < 0 ? -lastErrno() : 0);

/** The peer's limit on a segment, in repair mode; otherwise TCP_MAXSEG means something else. */
export const getMss = (fd: number): number => getWord(fd, TCP_MAXSEG);

/** Caps what the socket takes the peer's limit to be; before connect. The kernel takes none above 32767. */
export const setMss = (fd: number, mss: number): number =>
  set(fd, IPPROTO_TCP, TCP_MAXSEG, Math.min(mss, MAXSEG_MAX));

/** Opaque, except that it grows with time: the lowest bit says in which unit (net/ipv4/tcp.c, TCP_TIMESTAMP). */
export const getTimestamp = (fd: number): number => getWord(fd, TCP_TIMESTAMP);
export const setTimestamp = (fd: number, value: number): number => set(fd, IPPROTO_TCP, TCP_TIMESTAMP, value);

export type Queue = 'receive' | 'send';
const queueNumber = { receive: 1, send: 2 } as const;

/** Which queue the following calls are about. */
export const selectQueue = (fd: number, queue: Queue): number =>
  set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queueNumber[queue]);

/** The sequence number after the queue's last byte (and after a FIN). */
export const getQueueSeq = (fd: number): number => getWord(fd, TCP_QUEUE_SEQ);
/** Only before connect. */
export const setQueueSeq = (fd: number, seq: number): number => set(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, seq);

/**
 * Copies the selected queue. At most `length` bytes of the receive queue; of the send queue all, or EFAULT when it does
 * not fit (net/ipv4/tcp.c, tcp_peek_sndq). An empty queue is 0.
 */
export function peekQueue(fd: number, into: Memory, offset: number, length: number): number {
  const n = Number(c.recv(fd, into.address + offset, length, MSG_PEEK | MSG_DONTWAIT));
  if (n >= 0) return n;
  const result = -lastErrno();
  return result === EAGAIN ? 0 : result;
}

/** Appends to the selected queue, or outside repair mode to what is to be sent. May take less than `length`. */
export function fillQueue(fd: number, from: Memory, offset: number, length: number): number {
  const n = Number(c.send(fd, from.address + offset, length, MSG_DONTWAIT | MSG_NOSIGNAL));
  return n < 0 ? -lastErrno() : n;
}

/** struct tcp_repair_window (include/uapi/linux/tcp.h); all modulo 2^32. */
export interface RepairWindow {
  /** Sequence number of the segment that last changed `sendWindow`. */
  readonly sendUpdatedBy: number;
  /** Bytes that the peer takes, and the most that it ever took. */
  readonly sendWindow: number;
  readonly sendWindowMax: number;
  /** Bytes that this side has announced it takes, counted from sequence number `receiveUpdatedAt`. */
  readonly receiveWindow: number;
  readonly receiveUpdatedAt: number;
}

/** -errno, or the windows. */
export function getWindow(fd: number): RepairWindow | number {
  const result = get(fd, TCP_REPAIR_WINDOW, WINDOW_AT, WINDOW_SIZE);
  if (result < 0) return result;
  return {
    sendUpdatedBy: view.getUint32(WINDOW_AT, true),
    sendWindow: view.getUint32(WINDOW_AT + 4, true),
    sendWindowMax: view.getUint32(WINDOW_AT + 8, true),
    receiveWindow: view.getUint32(WINDOW_AT + 12, true),
    receiveUpdatedAt: view.getUint32(WINDOW_AT + 16, true),
  };
}

/** Only once the receive queue stands: EINVAL when a number lies beyond it (tcp_repair_set_window). */
export function setWindow(fd: number, window: RepairWindow): number {
  view.setUint32(WINDOW_AT, window.sendUpdatedBy, true);
  view.setUint32(WINDOW_AT + 4, window.sendWindow, true);
  view.setUint32(WINDOW_AT + 8, window.sendWindowMax, true);
  view.setUint32(WINDOW_AT + 12, window.receiveWindow, true);
  view.setUint32(WINDOW_AT + 16, window.receiveUpdatedAt, true);
  const address = scratch.address + WINDOW_AT;
  return c.setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, address, WINDOW_SIZE) < 0 ? -lastErrno() : 0;
}

export interface NegotiatedOptions {
  readonly mss: number;
  readonly sack: boolean;
  readonly timestamps: boolean;
  /** 0 and 0 where window scaling was not negotiated. */
  readonly peerScale: number;
  readonly ownScale: number;
}

/**
 * Sets what the handshake had settled; only after connect. The scales are always set: connect in repair mode leaves
 * this host's own choice in place, which for a peer without window scaling would announce windows 128 times too small.
 */
export function setOptions(fd: number, options: NegotiatedOptions): number {
  let at = OPTIONS_AT;
  const add = (kind: number, value: number): void => {
    view.setUint32(at, kind, true);
    view.setUint32(at + 4, value, true);
    at += 8;
  };
  add(OPTION_MSS, options.mss);
  add(OPTION_WINDOW_SCALE, options.peerScale | (options.ownScale << 16));
  if (options.sack) add(OPTION_SACK, 0);
  if (options.timestamps) add(OPTION_TIMESTAMP, 0);
  const address = scratch.address + OPTIONS_AT;
  return c.setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, address, at - OPTIONS_AT) < 0 ? -lastErrno() : 0;
}

/** Lets the send queue hold `bytes`, whatever net.core.wmem_max says; growing by itself stays on (socket(7)). */
export function makeRoomToSend(fd: number, bytes: number): number {
  const result = set(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes);
  // Kernels before 5.14 have no SO_BUF_LOCK; there the size stays as it is set.
  if (result >= 0) set(fd, SOL_SOCKET, SO_BUF_LOCK, 0);
  return result;
}

/** How much may wait unsent before writing waits (net.ipv4.tcp_notsent_lowat): any amount, or as the host has it. */
export const limitUnsent = (fd: number, limit: 'none' | 'default'): number =>
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, limit === 'none' ? 0xffffffff : 0);

/** Small writes leave at once; also sends what waits to be sent now (net/ipv4/tcp.c, __tcp_sock_set_nodelay). */
export const pushAndStayPrompt = (fd: number): number => set(fd, IPPROTO_TCP, TCP_NODELAY, 1);

/** Once closed and its FIN acknowledged, waits this many seconds for the peer's FIN instead of 60 (tcp(7)). */
export const limitWaitForFin = (fd: number, seconds: number): number =>
  set(fd, IPPROTO_TCP, TCP_LINGER2, seconds);

/** Close will reset the connection (SO_LINGER of 0 seconds, socket(7)). */
export function resetOnClose(fd: number): number {
  view.setUint32(WORD_AT, 1, true);
  view.setUint32(WORD_AT + 4, 0, true);
  return c.setsockopt(fd, SOL_SOCKET, SO_LINGER, scratch.address + WORD_AT, 8) < 0 ? -lastErrno() : 0;
}
