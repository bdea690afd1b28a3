/** The side that takes a connection over: prepare, and then activate, abandon or reset. */

import {
  bindTo,
  connectTo,
  disconnect,
  EAFNOSUPPORT,
  type Endpoint,
  tcpSocketFor,
} from '../sys/endpoints.ts';
import { EADDRNOTAVAIL } from '../sys/libc.ts';
import { closeFd } from '../sys/sockets.ts';
import {
  endInput,
  enterRepair,
  fillQueue,
  leaveRepair,
  leaveRepairQuietly,
  limitUnsent,
  limitWaitForFin,
  MSS_MIN,
  makeRoomToSend,
  pushAndStayPrompt,
  type Queue,
  resetOnClose,
  selectQueue,
  setMss,
  setOptions,
  setQueueSeq,
  setTimestamp,
  setWindow,
} from '../sys/tcp-repair.ts';
import { type Ends, endsOf } from './ends.ts';
import { queueMemory } from './queue-memory.ts';
import { Refusal, refusalOf } from './refusal.ts';
import { resuming } from './resume.ts';
import type { SavedConnection } from './saved.ts';

/** net/ipv4/tcp_input.c, tcp_send_rcvq: what is longer becomes one segment of many pages. */
const FILL_AT_ONCE = 65_536;
/** Beside the bytes themselves, of which the kernel counts twice as much (socket(7), SO_SNDBUF). */
const SEND_ROOM = 65_536;
/** A client that sent its FIN long ago will not send it again. */
const WAIT_FOR_FIN_SECONDS = 1;

/** include/net/tcp.h */
const TCP_MSS_DEFAULT = 536;

/** The kernel's answer to a step, as a Refusal; undefined when it went well. */
const failed = (call: string, result: number): Refusal | undefined =>
  result < 0 ? refusalOf(call, result) : undefined;

/**
 * Makes the connection on this host, all but its coming to life: no packet leaves, and all that can fail is behind.
 * Activate or abandon it within 200 ms; then the kernel's own timers may begin to repeat what was sent (tcp_metrics(8): where
 * it remembers round trips to this client; else after a second).
 */
export function prepare(state: SavedConnection): PreparedConnection | Refusal {
  const fd = tcpSocketFor(state.server);
  // Better with other words for its addresses than not at all.
  if (fd === EAFNOSUPPORT && state.server.mapped)
    return prepare({ ...state, client: unmapped(state.client), server: unmapped(state.server) });
  if (fd < 0) return refusalOf('socket', fd);
  const refusal = build(fd, state);
  if (!refusal) return new PreparedConnection(fd);
  closeInRepair(fd);
  return refusal;
}

const unmapped = ({ address, port }: Endpoint): Endpoint => ({ address, port });

/**
 * Ends a live connection that its client has long ended, as a new one with the same ends shows; the client hears nothing
 * of it, and who has the fd finds it aborted. False when `fd` is not that connection (any more).
 */
export function endOutdated(fd: number, ends: Ends): boolean {
  const found = endsOf(fd);
  if (found instanceof Refusal) return false;
  const isSame = (a: Endpoint, b: Endpoint) =>
    a.port === b.port && Buffer.compare(a.address, b.address) === 0;
  if (!isSame(found.client, ends.client) || !isSame(found.server, ends.server)) return false;
  return enterRepair(fd) === 0 && disconnect(fd) === 0 && leaveRepairQuietly(fd) === 0;
}

/** See `index.ts` for the sequence. A call out of it throws. */
export class PreparedConnection {
  readonly #fd: number;
  #over = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Its number; it stays this object's. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Brings it to life, and returns its fd: a connected, non-blocking, close-on-exec socket with TCP_NODELAY, the
   * caller's from now on. The kernel probes the client's window, and sends what was unsent.
   */
  activate(): number | Refusal {
    this.#once('activate');
    const left = leaveRepair(this.#fd);
    if (left < 0) {
      closeInRepair(this.#fd);
      return refusalOf('TCP_REPAIR', left);
    }
    pushAndStayPrompt(this.#fd);
    return this.#fd;
  }

  /** Closes it; the client hears nothing of it. */
  abandon(): void {
    this.#once('abandon');
    closeInRepair(this.#fd);
  }

  /** Closes it with a reset to the client: nobody else will speak for the connection. */
  reset(): void {
    this.#once('reset');
    leaveRepairQuietly(this.#fd);
    resetOnClose(this.#fd);
    closeFd(this.#fd);
  }

  #once(call: string): void {
    if (this.#over) throw new Error(`${call} of a prepared connection that is over`);
    this.#over = true;
  }
}

function closeInRepair(fd: number): void {
  enterRepair(fd);
  closeFd(fd);
}

/** The steps in the only order that the kernel takes, and each one's reason to be where it is. */
function build(fd: number, state: SavedConnection): Refusal | undefined {
  return (
    // Also forces that the address may be shared; SO_REUSEADDR before bind would weaken that.
    failed('TCP_REPAIR', enterRepair(fd)) ??
    // Sequence numbers can be set only before connect, and count from the start of a queue.
    startQueue(fd, 'receive', state.receiveSeq - state.received.length) ??
    startQueue(fd, 'send', state.sendSeq - state.sent.length - state.unsent.length) ??
    // connect settles the size of segments for good: without this 524 bytes.
    failed('TCP_MAXSEG', setMss(fd, largestSegment(state))) ??
    failed('bind', bindTo(fd, state.server)) ??
    // In repair mode it sends nothing.
    connect(fd, state) ??
    failed('TCP_REPAIR_OPTIONS', setOptions(fd, { ...state, timestamps: state.timestamp !== null })) ??
    (state.timestamp === null ? undefined : failed('TCP_TIMESTAMP', setTimestamp(fd, state.timestamp))) ??
    fill(fd, 'receive', state.received) ??
    (state.inputEnded ? endReading(fd) : undefined) ??
    fillSendQueue(fd, state) ??
    // Only valid once the receive queue stands; and until now the peer's window of 0 kept `unsent` from leaving.
    failed('TCP_REPAIR_WINDOW', setWindow(fd, state.window))
  );
}

/** The options of a TCP header with timestamps, bytes, which the size of a segment that connect settles leaves out (RFC 7323 section 3.2). */
const TIMESTAMPS_SIZE = 12;

/**
 * Before the client's window can be set, connect settles the size of segments for good; for a window that is smaller than
 * two of them the kernel would have made them half of it (tcp_bound_to_half_wnd). Larger ones would wait for a window that
 * never comes, 200 ms each.
 */
function largestSegment({ window, mss, timestamp }: SavedConnection): number {
  const most = window.sendWindowMax;
  const half = most > TCP_MSS_DEFAULT ? most >> 1 : most;
  if (half === 0 || half >= mss) return mss;
  return Math.max(MSS_MIN, Math.min(mss, half + (timestamp === null ? 0 : TIMESTAMPS_SIZE)));
}

const startQueue = (fd: number, queue: Queue, seq: number): Refusal | undefined =>
  failed('TCP_REPAIR_QUEUE', selectQueue(fd, queue)) ?? failed('TCP_QUEUE_SEQ', setQueueSeq(fd, seq >>> 0));

function connect(fd: number, { client, congestion, mss, timestamp }: SavedConnection): Refusal | undefined {
  const segment = mss - (timestamp === null ? 0 : TIMESTAMPS_SIZE);
  const result = resuming(fd, congestion, segment, () => connectTo(fd, client));
  // The port is bound, so this is not about a free one (net/ipv4/inet_hashtables.c, __inet_check_established).
  if (result === EADDRNOTAVAIL) return new Refusal('connection-exists', 'connect', result);
  return failed('connect', result);
}

/**
 * The kernel offers no way to state CLOSE_WAIT, but none is needed. Sequence numbers of the restored bytes are only
 * labels: shifted by one, they leave the FIN's number acknowledged, and SHUT_RD makes reading end after them. What
 * remains of ESTABLISHED shows when this side closes: the kernel then waits for a FIN that came long ago.
 */
const endReading = (fd: number): Refusal | undefined =>
  failed('shutdown', endInput(fd)) ?? failed('TCP_LINGER2', limitWaitForFin(fd, WAIT_FOR_FIN_SECONDS));

function fill(fd: number, queue: Queue, bytes: Uint8Array): Refusal | undefined {
  if (bytes.length === 0) return undefined;
  return failed('TCP_REPAIR_QUEUE', selectQueue(fd, queue)) ?? append(fd, bytes);
}

function append(fd: number, bytes: Uint8Array): Refusal | undefined {
  queueMemory.bytes.set(bytes);
  for (let done = 0; done < bytes.length; ) {
    const n = fillQueue(fd, queueMemory, done, Math.min(bytes.length - done, FILL_AT_ONCE));
    if (n < 0) return refusalOf('send', n);
    if (n === 0) return new Refusal('no-memory', 'send');
    done += n;
  }
  return undefined;
}

/**
 * What was sent must be known as sent, because the client may acknowledge it: that is what the queue in repair mode is
 * for. What was not sent is written as any application would, out of repair mode, where the peer's window of 0 that
 * connect has left keeps it from being sent before all else stands.
 */
function fillSendQueue(fd: number, { sent, unsent }: SavedConnection): Refusal | undefined {
  if (sent.length + unsent.length === 0) return undefined;
  const refusal =
    failed('SO_SNDBUFFORCE', makeRoomToSend(fd, sent.length + unsent.length + SEND_ROOM)) ??
    fill(fd, 'send', sent);
  if (refusal || unsent.length === 0) return refusal;
  return (
    failed('TCP_NOTSENT_LOWAT', limitUnsent(fd, 'none')) ??
    failed('TCP_REPAIR', leaveRepairQuietly(fd)) ??
    append(fd, unsent) ??
    failed('TCP_REPAIR', enterRepair(fd)) ??
    failed('TCP_NOTSENT_LOWAT', limitUnsent(fd, 'default'))
  );
}
