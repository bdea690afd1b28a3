/**
 * The delivery's end of a lane: connections come out of it, *taken*, *returned* and *ended* go in.
 *
 * The rule that keeps a connection from being served twice: *taken* has left before the application sees it. When
 * the head has dropped this delivery, the message cannot leave (EPIPE); the connection is then another's, and the copy
 * that came here is closed without a word to the client.
 */
import { EAGAIN, ECONNRESET, EINTR, EPIPE, errnoName } from '../shared/sys/libc.ts';
import { allocate } from '../shared/sys/memory.ts';
import { createFdMessenger } from '../shared/sys/pass-fds.ts';
import { type Readiness, watchReadable } from '../shared/sys/readiness.ts';
import { closeFd, write } from '../shared/sys/sockets.ts';
import { closeKept, keepForThread } from '../shared/sys/thread-end.ts';
import {
  CONNECTIONS,
  laneMessage,
  RETURNED,
  readLane,
  readStated,
  STATED,
  TAKEN,
  writeEnded,
  writeRange,
} from '../shared/wire/lane.ts';
import { GIVEN_MESSAGE_MAX, STATE_MAX } from '../shared/wire/way-back.ts';
import type { Arrival } from './connections.ts';
import type { Feed } from './feed.ts';
import { LaneSteps } from './steps.ts';

export interface DeliveryLaneEvents {
  /** Whom to tell of a connection's end, and how it is called: its id is unique within the lane. `state`: what came with it. */
  arrivalOf(id: number, state: Uint8Array | undefined): Arrival;
  /** Few credits are left as the head sees it, which has not heard of `unreported` connections that have ended. */
  isShort(unreported: number): boolean;
  /** The lane has ended, or what came over it made no sense (`problem`). */
  onEnd(problem?: string): void;
}

/** Messages read before the event loop gets its turn. */
const MESSAGES_A_TURN = 16;
/**
 * A message mostly comes alone, and what comes behind it wakes again: to ask whether there is more would be a call in vain for
 * each. Of so many wakes one asks, and from then on all do until one finds none.
 */
const ASK_FOR_MORE_EVERY = 8;
/**
 * Ended connections are reported together: so many; or right before a *taken*, for which the head wakes anyway, when they have
 * waited for a while; or at the latest after so long (milliseconds).
 */
const REPORT_ENDED_AT = 64;
const REPORT_ENDED_BEFORE_TAKEN_MS = 20;
const REPORT_ENDED_MS = 50;

const messenger = createFdMessenger(GIVEN_MESSAGE_MAX);
const outbox = allocate(4096);

/** Connections that have come and were not taken yet: the head does not read, or those before them are enough for now. */
interface Held {
  first: number;
  fds: readonly number[];
  /** Of one that comes alone. */
  readonly state?: Uint8Array | undefined;
}

export class DeliveryLane {
  readonly #fd: number;
  readonly #feed: Feed;
  readonly #events: DeliveryLaneEvents;
  readonly #ready: Readiness;
  readonly #steps: LaneSteps | undefined;
  readonly #held: Held[] = [];
  /** Returned to the head, not yet said: first and count. */
  readonly #refused: [number, number][] = [];
  #ended = 0;
  /** Since when the first of those waits. */
  #endedSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #open = true;
  #wakes = 0;
  /** The last wake that asked found more than one message. */
  #isCrowded = false;

  /** Takes over `fd`. */
  constructor(fd: number, feed: Feed, events: DeliveryLaneEvents) {
    this.#fd = keepForThread(fd);
    this.#feed = feed;
    this.#events = events;
    this.#steps = LaneSteps.of(this.#fd);
    this.#ready = watchReadable(this.#fd, () => {
      this.#read();
      // The application may run in there, so nothing comes after it.
      this.#feed.serveFirst();
    });
    this.#ready.unref();
  }

  /** What is not read now makes the fd readable still. */
  #read(): void {
    if (!this.#sendHeld()) return;
    const most = this.#isCrowded || ++this.#wakes % ASK_FOR_MORE_EVERY === 0 ? MESSAGES_A_TURN : 1;
    this.#isCrowded = false;
    for (let i = 0; i < most && this.#open && this.#held.length === 0; i++) {
      if (this.#feed.room === 0) return;
      const n = messenger.receive(this.#fd);
      if (n === EAGAIN || n === EINTR) return;
      this.#isCrowded = i > 0;
      // The head is gone with messages of ours unread; what it had sent can still be read.
      if (n === ECONNRESET) continue;
      if (n <= 0) return this.#end(n === 0 ? undefined : errnoName(n));
      const fds: number[] = [];
      for (let at = 0; at < messenger.received; at++) fds.push(messenger.fds[at]!);
      // Longer than any other.
      const stated =
        n > 3 && messenger.bytes[1] === STATED ? readStated(messenger.bytes, n, STATE_MAX) : undefined;
      if (stated && fds.length <= 1) {
        this.#onConnections(stated.id, 1, fds, stated.state);
        continue;
      }
      if (
        !readLane(messenger.bytes, n) ||
        laneMessage.kind !== CONNECTIONS ||
        fds.length > laneMessage.count
      ) {
        fds.forEach(closeFd);
        return this.#end('not a lane message');
      }
      this.#onConnections(laneMessage.first, laneMessage.count, fds);
    }
  }

  #onConnections(first: number, count: number, fds: number[], state?: Uint8Array): void {
    // The kernel drops the fds that this process may not open (MSG_CTRUNC); the head has its copies of them.
    if (fds.length < count) this.#refused.push([(first + fds.length) >>> 0, count - fds.length]);
    if (fds.length > 0) this.#held.push({ first, fds, state });
    this.#sendHeld();
  }

  /** Says what is due about connections, oldest first, and passes on those that it said *taken* of. */
  #sendHeld(): boolean {
    for (let held = this.#held[0]; held; held = this.#held[0]) {
      const { room } = this.#feed;
      if (room === 0) {
        this.#feed.whenRoom(this.#takeMore);
        return false;
      }
      const fds = held.fds.length > room ? held.fds.slice(0, room) : held.fds;
      if (this.#ended > 0 && performance.now() - this.#endedSince > REPORT_ENDED_BEFORE_TAKEN_MS)
        this.#reportEnded();
      const at = this.#steps?.now();
      const sent = this.#send(writeRange(outbox.bytes, TAKEN, held.first, fds.length));
      if (sent === 'later') return false;
      const { first } = held;
      this.#steps?.say(at!, sent === 'never' ? 'drop' : 'take', first, fds);
      if (fds === held.fds) this.#held.shift();
      else {
        held.first = (first + fds.length) >>> 0;
        held.fds = held.fds.slice(fds.length);
      }
      if (sent === 'never') fds.forEach(closeFd);
      else this.#pass(first, fds, held.state);
    }
    for (let range = this.#refused[0]; range; range = this.#refused[0]) {
      const at = this.#steps?.now();
      const sent = this.#send(writeRange(outbox.bytes, RETURNED, range[0], range[1]));
      if (sent === 'later') return false;
      if (sent === 'sent') this.#steps?.return(at!, range[0], range[1]);
      this.#refused.shift();
    }
    if (this.#open) this.#ready.watchWritable(false);
    return this.#open;
  }

  #pass(first: number, fds: readonly number[], state: Uint8Array | undefined): void {
    this.#feed.add(fds, (at) => this.#events.arrivalOf((first + at) >>> 0, state), state === undefined);
    if (this.#ended > 0 && this.#events.isShort(this.#ended)) this.#reportSoon();
  }

  readonly #takeMore = (): void => {
    if (this.#open) this.#sendHeld();
  };

  #send(length: number): 'sent' | 'later' | 'never' {
    if (!this.#open) return 'never';
    const n = write(this.#fd, outbox, 0, length);
    if (n === EAGAIN || n === EINTR) {
      this.#ready.watchWritable(true);
      return 'later';
    }
    if (n >= 0) return 'sent';
    if (n !== EPIPE && n !== ECONNRESET) this.#end(errnoName(n));
    return 'never';
  }

  /** One of its connections has ended. */
  connectionEnded(): void {
    if (!this.#open) return;
    if (this.#ended++ === 0) this.#endedSince = performance.now();
    if (this.#ended >= REPORT_ENDED_AT) this.#reportEnded();
    else if (this.#events.isShort(this.#ended)) this.#reportSoon();
    else this.#timer ??= setTimeout(this.#onTimer, REPORT_ENDED_MS);
  }

  /** Somebody may be waiting for a credit: with the others that end in this turn of the event loop. */
  #reportSoon(): void {
    this.#immediate ??= setImmediate(this.#report);
  }

  readonly #report = (): void => this.#reportEnded();

  /** Those for which it was set may have been told of since: to set a new one each time would cost more. */
  readonly #onTimer = (): void => {
    this.#timer = undefined;
    if (this.#ended === 0) return;
    const left = this.#endedSince + REPORT_ENDED_MS - performance.now();
    if (left > 1) this.#timer = setTimeout(this.#onTimer, left);
    else this.#reportEnded();
  };

  #reportEnded(): void {
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#immediate = undefined;
    const count = this.#ended;
    if (count === 0 || !this.#open) return;
    // Before it is sent: a lane that breaks here is closed here, and closing reports what is left.
    this.#ended = 0;
    const at = this.#steps?.now();
    const sent = this.#send(writeEnded(outbox.bytes, count));
    if (sent === 'sent') this.#steps?.ended(at!, count);
    if (sent !== 'later') return;
    this.#ended = count;
    this.#endedSince = performance.now();
    this.#timer ??= setTimeout(this.#onTimer, REPORT_ENDED_MS);
  }

  #end(problem?: string): void {
    if (!this.#open) return;
    this.close();
    this.#events.onEnd(problem);
  }

  /** Leaves the lane. Connections in it that were not taken stay the head's. */
  close(): void {
    this.#reportEnded();
    // The report may have found the lane broken, and closed it.
    if (!this.#open) return;
    this.#open = false;
    this.#steps?.leave();
    clearTimeout(this.#timer);
    this.#feed.forget(this.#takeMore);
    this.#ready.close();
    for (const held of this.#held.splice(0)) held.fds.forEach(closeFd);
    closeKept(this.#fd);
  }
}
