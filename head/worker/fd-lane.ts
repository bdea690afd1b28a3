/**
 * The lane to a local delivery, over a socketpair that the head made.
 *
 * The head keeps its own copy of each fd until the delivery says *taken*. It also keeps the delivery's end of the
 * pair open, which is what makes taking back exact: `close` first refuses the delivery's later messages (its *taken*
 * fails, so it may not serve), then reads what it had said in time, then empties the queue that it had not read. What
 * is untaken after that was seen by no application, and can go to another delivery; nobody else holds a copy.
 */

import { EAGAIN, EINTR, errnoName } from '../../shared/sys/libc.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { createFdMessenger, type FdMessenger, MAX_FDS } from '../../shared/sys/pass-fds.ts';
import { closeFd, endReading, receive, setSendBuffer } from '../../shared/sys/sockets.ts';
import { unreadBytes } from '../../shared/sys/unread.ts';
import {
  CONNECTIONS,
  ENDED,
  laneMessage,
  RETURNED,
  readLane,
  TAKEN,
  writeRange,
  writeStated,
} from '../../shared/wire/lane.ts';
import { GIVEN_MESSAGE_MAX } from '../../shared/wire/way-back.ts';
import type { Lane } from './lane.ts';
import { type LaneSteps, steps } from './steps.ts';

/** What a lane reports to the worker that it belongs to. */
export interface LaneEvents {
  /** The head's copy may be closed. */
  onTaken(slot: number, fd: number): void;
  /** The delivery could not take it. */
  onReturned(slot: number, fd: number): void;
  /** That many connections that it had taken have ended. */
  onEnded(slot: number, count: number): void;
  /** A word about a connection that was settled before. */
  onLate(): void;
}

/** The most untaken connections of one lane: a power of two. Above it the delivery counts as full. */
const WINDOW = 16_384;
const SETTLED = -1;
/** Connections for a busy delivery gather until there are so many, or for so long (milliseconds). */
const GATHER_MAX = 64;
const GATHER_MS = 1;
/** More messages than a socket's queue has (net.unix.max_dgram_qlen is 10, and 512 where systemd runs). */
const QUEUE_MAX = 600;
/** Holds several hundred messages of one connection each; the kernel caps it (socket(7)). */
const SEND_BUFFER = 1 << 20;

// One of each for the whole thread: a message is written and read in one go.
let messenger: FdMessenger | undefined;
const inbox = allocate(4096);

export class FdLane implements Lane {
  readonly slot: number;
  readonly isWatched = true;
  readonly watchedFd: number;
  readonly #deliveryEnd: number;
  readonly #events: LaneEvents;
  readonly #steps: LaneSteps | undefined;
  /** The fds of connections `#oldest` to `#next`, by id modulo WINDOW; SETTLED where one is done with. */
  readonly #ring = new Int32Array(WINDOW).fill(SETTLED);
  /** Ids as plain counters; they go over the wire modulo 2^32. */
  #next = 0;
  /** Of those that are to be sent with a state, by id. */
  readonly #states = new Map<number, Uint8Array>();
  #sent = 0;
  #oldest = 0;
  #untaken = 0;
  /** Taken and not ended. */
  #held = 0;
  /** When the first of those that gather was pushed, more or less; NaN when none does. */
  #gathersSince = Number.NaN;

  /** Takes over both fds. */
  constructor(slot: number, headEnd: number, deliveryEnd: number, events: LaneEvents) {
    this.slot = slot;
    this.watchedFd = headEnd;
    this.#deliveryEnd = deliveryEnd;
    this.#events = events;
    this.#steps = steps?.lane(slot, deliveryEnd);
    messenger ??= createFdMessenger(GIVEN_MESSAGE_MAX);
    setSendBuffer(headEnd, SEND_BUFFER);
  }

  get isFull(): boolean {
    return this.#next - this.#oldest >= WINDOW;
  }

  get untaken(): number {
    return this.#untaken;
  }

  get oldestUntaken(): number {
    return this.#untaken === 0 ? SETTLED : this.#ring[this.#oldest % WINDOW]!;
  }

  /** Some connections are waiting for room in the socket. */
  get isBlocked(): boolean {
    return this.#sent !== this.#next;
  }

  get isBusy(): boolean {
    return this.#untaken > this.#next - this.#sent;
  }

  push(fd: number, state?: Uint8Array): void {
    this.#steps?.offer(fd, this.#next);
    if (state) this.#states.set(this.#next, state);
    this.#ring[this.#next % WINDOW] = fd;
    this.#next++;
    this.#untaken++;
  }

  /**
   * A delivery says *taken* and then serves what it took; what comes meanwhile it will find together. One message for
   * all of it costs either side less than one for each (measured, two deliveries at 12,000 a second: 5 us a connection).
   */
  gather(now: number): void {
    const mayWait = this.isBusy && this.#next - this.#sent < GATHER_MAX;
    if (!mayWait || now - this.#gathersSince >= GATHER_MS) this.flush();
    else if (Number.isNaN(this.#gathersSince)) this.#gathersSince = now;
  }

  /** Sends what was pushed, up to 253 connections in one message. */
  flush(): void {
    this.#gathersSince = Number.NaN;
    const { fds, bytes } = messenger!;
    while (this.#sent !== this.#next) {
      const state = this.#states.size > 0 ? this.#states.get(this.#sent) : undefined;
      const count = state ? 1 : Math.min(this.#next - this.#sent, MAX_FDS, this.#untilState());
      for (let i = 0; i < count; i++) fds[i] = this.#ring[(this.#sent + i) % WINDOW]!;
      const first = this.#sent % 2 ** 32;
      const length = state ? writeStated(bytes, first, state) : writeRange(bytes, CONNECTIONS, first, count);
      // No room (EAGAIN, ENOBUFS) or too many fds on their way (ETOOMANYREFS): the next tick tries again.
      if (messenger!.send(this.watchedFd, length, count) < 0) return;
      this.#sent += count;
      if (state) this.#states.delete(this.#sent - 1);
    }
  }

  /** How many come before the next that has one. */
  #untilState(): number {
    if (this.#states.size === 0) return Number.POSITIVE_INFINITY;
    // They are in the order of their ids, as they came.
    const [first] = this.#states.keys();
    return first! - this.#sent;
  }

  read(): number {
    const n = receive(this.watchedFd, inbox, 0, inbox.bytes.length);
    if (n === EAGAIN || n === EINTR) return 0;
    if (n === 0) throw new RangeError('it ended its lane');
    if (n < 0) throw new RangeError(`its lane broke: ${errnoName(n)}`);
    const problem = this.#hear(n);
    if (problem !== undefined) throw new RangeError(problem);
    return laneMessage.kind;
  }

  /** Does what the message of `n` bytes in the inbox says; what is wrong with it. */
  #hear(n: number): string | undefined {
    if (!readLane(inbox.bytes, n)) return 'not a lane message';
    const { kind, first, count } = laneMessage;
    if (kind === TAKEN || kind === RETURNED) return this.#settle(kind, first, count);
    if (kind !== ENDED) return `a lane message of kind ${kind}`;
    if (count > this.#held) return 'more connections ended than it had taken';
    this.#held -= count;
    this.#steps?.hearEnded(count);
    this.#events.onEnded(this.slot, count);
    return undefined;
  }

  /** Connections `first` and `count - 1` after it are taken or returned. */
  #settle(kind: number, first: number, count: number): string | undefined {
    // The id nearest to the last one sent that has these low 32 bits.
    const behind = (this.#sent - first) >>> 0;
    const start = this.#sent - behind;
    const isWrong = behind === 0 || count > behind || count > WINDOW || start < 0;
    // In a range that is too long it may serve what it was sent: nobody else may.
    if (!isWrong) this.#settleThese(kind, start, start + count);
    else if (kind === TAKEN && start >= 0 && behind <= WINDOW) this.#settleThese(kind, start, this.#sent);
    return isWrong
      ? `a word about connections ${first} to ${first + count - 1}, which were not sent`
      : undefined;
  }

  #settleThese(kind: number, start: number, end: number): void {
    for (let id = start; id < end; id++) {
      const fd = id < this.#oldest ? SETTLED : this.#ring[id % WINDOW]!;
      if (fd === SETTLED) {
        this.#steps?.hearLate(id);
        this.#events.onLate();
        continue;
      }
      this.#ring[id % WINDOW] = SETTLED;
      this.#untaken--;
      this.#steps?.hear(kind === TAKEN, fd, id);
      if (kind === TAKEN) {
        this.#held++;
        this.#events.onTaken(this.slot, fd);
      } else {
        this.#events.onReturned(this.slot, fd);
      }
    }
    while (this.#oldest < this.#next && this.#ring[this.#oldest % WINDOW] === SETTLED) this.#oldest++;
  }

  /** What becomes of its connections is said on the lane itself. */
  settle(): boolean {
    return false;
  }

  stop(onUntaken: (fd: number) => void): void {
    this.close(onUntaken);
  }

  close(onUntaken: (fd: number) => void): void {
    endReading(this.watchedFd);
    this.#steps?.shutdown();
    this.#hearTheRest();
    while (receive(this.#deliveryEnd, inbox, 0, inbox.bytes.length) > 0);
    closeFd(this.watchedFd);
    closeFd(this.#deliveryEnd);
    this.#steps?.emptied();
    for (let id = this.#oldest; id < this.#next; id++) {
      const fd = this.#ring[id % WINDOW]!;
      this.#ring[id % WINDOW] = SETTLED;
      if (fd === SETTLED) continue;
      this.#steps?.takeBack(fd, id);
      onUntaken(fd);
    }
  }

  /**
   * All that was said in time counts, whatever was said besides: a *taken* that could be sent lets a delivery serve, so the
   * connection may be nobody else's. A delivery that has gone with messages unread makes one read fail (ECONNRESET),
   * and an empty message looks like the end of all: that nothing is left is known by what is unread. (To read until there could be
   * no more of them took a worker 3 ms for two lanes, measured at the end of a head.)
   */
  #hearTheRest(): void {
    for (let nothing = 0; nothing < QUEUE_MAX && unreadBytes(this.watchedFd) !== 0; ) {
      const n = receive(this.watchedFd, inbox, 0, inbox.bytes.length);
      if (n > 0) this.#hear(n);
      else nothing++;
    }
  }
}
