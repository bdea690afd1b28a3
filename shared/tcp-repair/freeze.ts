/** The side that gives a connection away: freeze, save, and then either thaw, closeSilently or reset. */

import { isLinkLocal } from '../sys/endpoints.ts';
import { INPUT_ENDED, INPUT_URGENT, inputState } from '../sys/input-state.ts';
import { EFAULT } from '../sys/libc.ts';
import { deafen, hearAgain } from '../sys/socket-filter.ts';
import { closeFd } from '../sys/sockets.ts';
import { readInfo, tcpInfo } from '../sys/tcp-info.ts';
import {
  enterRepair,
  getMss,
  getQueueSeq,
  getTimestamp,
  getWindow,
  leaveRepair,
  leaveRepairQuietly,
  MSS_MIN,
  peekQueue,
  type Queue,
  resetOnClose,
  selectQueue,
} from '../sys/tcp-repair.ts';
import { congestionOf } from './congestion.ts';
import { type Ends, endsOf } from './ends.ts';
import { queueMemory } from './queue-memory.ts';
import { Refusal, type RefusalReason, refusalOf } from './refusal.ts';
import { newSaved, RECEIVE_QUEUE_MAX, type SavedConnection, SEND_QUEUE_MAX } from './saved.ts';

export interface FreezeOptions {
  /** The connection's ends, when they are known: saves looking them up. */
  readonly ends?: Ends;
  /** How `closeSilently` and `reset` close the fd. */
  readonly close?: (fd: number) => void;
}

/**
 * Freezes a connection whose inbound packets are held back by the caller. After a refusal the socket is as it was.
 * The fd stays the caller's until `closeSilently` or `reset`; nobody may read, write or close it in between.
 */
export function freeze(fd: number, options: FreezeOptions = {}): FrozenConnection | Refusal {
  const entered = enterRepair(fd);
  if (entered < 0) return whyNotFrozen(fd, entered);
  const read = readInfo(fd);
  const refusal = read < 0 ? refusalOf('TCP_INFO', read) : refusalOfState();
  if (!refusal) return new FrozenConnection(fd, options);
  leaveRepairQuietly(fd);
  return refusal;
}

/** TCP_REPAIR says EPERM to a listener as to a process without privilege. */
function whyNotFrozen(fd: number, result: number): Refusal {
  if (readInfo(fd) < 0) return new Refusal('not-tcp', 'TCP_REPAIR', result);
  if (tcpInfo.state === 'listening') return new Refusal('listening');
  return refusalOf('TCP_REPAIR', result);
}

function refusalOfState(): Refusal | undefined {
  switch (tcpInfo.state) {
    case 'established':
    case 'close-wait':
      return undefined;
    case 'syn-sent':
    case 'syn-received':
      return new Refusal('connecting');
    case 'closed':
    case 'time-wait':
    case 'unknown':
      return new Refusal('closed');
    case 'listening':
      return new Refusal('listening');
    default:
      return new Refusal('closing');
  }
}

/** See `index.ts` for the sequence. A call out of it throws: it is a mistake of the program. */
export class FrozenConnection {
  readonly #fd: number;
  readonly #ends: Ends | undefined;
  readonly #close: (fd: number) => void;
  #stage: 'frozen' | 'saved' | 'over' = 'frozen';
  #state = tcpInfo.state;
  #received = tcpInfo.received;
  #deaf = false;

  constructor(fd: number, { ends, close = closeFd }: FreezeOptions) {
    this.#fd = fd;
    this.#ends = ends;
    this.#close = close;
  }

  /** Copies the connection. Once, right after `freeze` and before any other; after a refusal only `thaw` and `reset` are left. */
  save(): SavedConnection | Refusal {
    this.#expect('save', 'frozen');
    this.#stage = 'saved';
    const state = saveFrom(this.#fd, this.#ends);
    if (state instanceof Refusal) this.#stage = 'frozen';
    else if (!this.isUnchanged()) {
      this.#stage = 'frozen';
      return new Refusal('changing');
    }
    return state;
  }

  /**
   * Whether nothing has arrived since `freeze`. A packet that was already past the hold when it was set may still have
   * come in: its bytes are acknowledged, and not in the saved state. Ask before the saved copy comes to life, and
   * `reset` when it is too late.
   */
  isUnchanged(): boolean {
    return readInfo(this.#fd) >= 0 && tcpInfo.state === this.#state && tcpInfo.received === this.#received;
  }

  /**
   * Nothing that arrives reaches the socket any more: it is dropped. For the moments between the last look at it and its
   * end, in which a packet may still be under way to it. `thaw` and `thawQuietly` end it. False when the kernel cannot.
   */
  deafen(): boolean {
    this.#expect('deafen', 'saved');
    this.#deaf = deafen(this.#fd) === 0;
    return this.#deaf;
  }

  /** As `thaw`, but nothing is sent: no packet of the client has been held back. */
  thawQuietly(): void {
    this.#expect('thawQuietly', 'frozen', 'saved');
    this.#stage = 'over';
    if (this.#deaf) hearAgain(this.#fd);
    leaveRepairQuietly(this.#fd);
  }

  /** The connection goes on here, and the fd is the caller's again. */
  thaw(): void {
    this.#expect('thaw', 'frozen', 'saved');
    this.#stage = 'over';
    if (this.#deaf) hearAgain(this.#fd);
    leaveRepair(this.#fd);
  }

  /**
   * Closes the fd without a packet and without TIME_WAIT: the saved copy is now the connection. Any duplicate of the fd
   * must be closed before, or the kernel keeps the socket.
   */
  closeSilently(): void {
    this.#expect('closeSilently', 'saved');
    this.#stage = 'over';
    this.#close(this.#fd);
  }

  /** Closes the fd with a reset to the client: what became of the saved copy is unknown. */
  reset(): void {
    this.#expect('reset', 'frozen', 'saved');
    this.#stage = 'over';
    leaveRepairQuietly(this.#fd);
    resetOnClose(this.#fd);
    this.#close(this.#fd);
  }

  #expect(call: string, ...stages: ('frozen' | 'saved')[]): void {
    if (stages.some((stage) => stage === this.#stage)) return;
    throw new Error(`${call} of a connection that is ${this.#stage}`);
  }
}

/**
 * Bytes that are not sent, nor will be while the queue stays selected. Since the freeze some may have left, with each acknowledgement: a
 * copy that took them for unsent would drop what acknowledges them, and never go on.
 */
function unsentOf(fd: number): number | Refusal {
  const selected = selectQueue(fd, 'send');
  if (selected < 0) return refusalOf('TCP_REPAIR_QUEUE', selected);
  const read = readInfo(fd);
  return read < 0 ? refusalOf('TCP_INFO', read) : tcpInfo.unsent;
}

/** Right after readInfo: what it found counts for the whole state, but for what is unsent. */
function saveFrom(fd: number, known: Ends | undefined): SavedConnection | Refusal {
  const { state, sack, timestamps, peerScale, ownScale, unsent } = tcpInfo;
  const congestion = congestionOf(fd);
  const ends = known ?? endsOf(fd);
  if (ends instanceof Refusal) return ends;
  const { client, server } = ends;
  if (isLinkLocal(client) || isLinkLocal(server)) return new Refusal('link-local');
  // A connection that was restored after its client's FIN is in state ESTABLISHED, with its input ended.
  const input = inputState(fd);
  if (input < 0) return refusalOf('poll', input);
  // Peeking ends before an urgent byte, and what is behind it would be lost.
  if ((input & INPUT_URGENT) !== 0) return new Refusal('urgent-data');
  const mss = getMss(fd);
  if (mss < 0) return refusalOf('TCP_MAXSEG', mss);
  if (mss < MSS_MIN) return new Refusal('tiny-mss');
  const timestamp = timestamps ? getTimestamp(fd) : 0;
  if (timestamp < 0) return refusalOf('TCP_TIMESTAMP', timestamp);
  const window = getWindow(fd);
  if (typeof window === 'number') return refusalOf('TCP_REPAIR_WINDOW', window);
  const receive = saveQueue(fd, 'receive', RECEIVE_QUEUE_MAX, 'receive-queue-too-large');
  if (receive instanceof Refusal) return receive;
  const notSent = unsent === 0 ? 0 : unsentOf(fd);
  if (notSent instanceof Refusal) return notSent;
  // Last, because while it is selected the kernel sends nothing new (net/ipv4/tcp_output.c, tcp_write_xmit).
  const send = saveQueue(fd, 'send', SEND_QUEUE_MAX, 'send-queue-too-large');
  if (send instanceof Refusal) return send;
  const sent = send.bytes.length - Math.min(notSent, send.bytes.length);
  return newSaved({
    client,
    server,
    mss,
    sack,
    timestamp: timestamps ? notEarlier(timestamp) : null,
    peerScale,
    ownScale,
    receiveSeq: receive.seq,
    sendSeq: send.seq,
    window,
    inputEnded: state === 'close-wait' || (input & INPUT_ENDED) !== 0,
    received: receive.bytes,
    sent: send.bytes.subarray(0, sent),
    unsent: send.bytes.subarray(sent),
    congestion,
  });
}

/**
 * A frozen socket goes on acknowledging what arrives, by its own clock, and the copy's clock starts where this says: it
 * must not lie before any that was sent meanwhile, or what the copy sends would look too old to be taken (PAWS, RFC 7323
 * section 5). It may lie far ahead, and in milliseconds it has to: what the client echoes of the time before the move would be
 * taken for a round trip, of a minute for a minute, with a timeout of two. The kernel takes none above 2^31 us
 * (net/ipv4/tcp_input.c, tcp_rtt_tsopt_us). The kernel overwrites the lowest bit: set when the unit is a microsecond (which a
 * route has to ask for), clear when it is a millisecond.
 */
const AHEAD_MS = 1 << 22;
const AHEAD_US = 65_536_000;
const notEarlier = (timestamp: number): number =>
  (timestamp + ((timestamp & 1) === 1 ? AHEAD_US : AHEAD_MS)) >>> 0;

function saveQueue(
  fd: number,
  queue: Queue,
  max: number,
  tooLarge: RefusalReason,
): { seq: number; bytes: Buffer } | Refusal {
  const selected = selectQueue(fd, queue);
  if (selected < 0) return refusalOf('TCP_REPAIR_QUEUE', selected);
  const seq = getQueueSeq(fd);
  if (seq < 0) return refusalOf('TCP_QUEUE_SEQ', seq);
  const length = peekQueue(fd, queueMemory, 0, max + 1);
  if (length > max || length === EFAULT) return new Refusal(tooLarge);
  if (length < 0) return refusalOf('recv', length);
  return { seq, bytes: Buffer.from(queueMemory.bytes.subarray(0, length)) };
}
