/**
 * First bytes of which a part has come. A client that sends its head in many small packets must not cost a look at
 * all of it for each: where it is known how many are missing (of TLS) the kernel says nothing before they are there; else the
 * first few looks are made at once, and from then on there is one each few milliseconds, with epoll told to be quiet
 * meanwhile. What a look finds is inspected from where the last one stopped (`mayDecide`).
 */
import { letReceiveBufferGrow, setReceiveLowWater } from '../../shared/sys/sockets.ts';
import type { Found } from '../found.ts';
import { HTTP, type Voice } from '../refusals.ts';
import { mayDecide } from './inspect/http.ts';

/** Looks that are made as soon as there is something to see. */
const PROMPT_LOOKS = 4;
/** The pauses between later ones, milliseconds, and how many looks have such a pause; the last is for all that follow. */
const PAUSES: readonly { readonly ms: number; readonly looks: number }[] = [
  { ms: 5, looks: 4 },
  { ms: 20, looks: 8 },
  { ms: 50, looks: Number.POSITIVE_INFINITY },
];
/** How long after it last grew one is looked at once more, milliseconds: the kernel delays its ACKs by up to 200. */
const LAST_LOOK_MS = 250;

export class Partial implements Voice {
  readonly fd: number;
  /** Bytes of it that were looked at. */
  have = 0;
  /** What the last inspection has found, as `Found` has it. */
  speaks = HTTP;
  isHead = false;
  readonly stream = 0;
  isEnough = false;
  /** The request line is among them. */
  #lineIsWhole = false;
  #needed = 0;
  /** Looks that found more. */
  looks = 0;
  /** epoll reports what comes. */
  isWatched = true;
  /** It was watched anew, and epoll will report what was there already. */
  isEcho = false;
  /** It is in a queue of `Pauses`. */
  isPausing = false;
  /** Looks since it last grew, when a pause had ended. */
  idleLooks = 0;
  /** No longer partial, or no longer there. */
  isOver = false;
  #holdsBuffer = false;
  #isLow = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Whether the next look waits for a pause to end. */
  get mustPause(): boolean {
    return this.looks >= PROMPT_LOOKS;
  }

  /** An inspection was not enough. */
  keep(found: Found): void {
    this.speaks = found.speaks;
    this.isHead = found.isHead;
    this.isEnough = found.isEnough;
    this.#lineIsWhole = found.lineEnd > 0;
    this.#needed = found.needed;
    if (found.needed === 0) return;
    this.#isLow = true;
    setReceiveLowWater(this.fd, found.needed);
  }

  /** Whether `length` bytes may give another verdict than those that it has. */
  mayDecide(bytes: Uint8Array, length: number): boolean {
    if (this.#needed > 0) return length >= this.#needed;
    return mayDecide(bytes, this.have, length, this.#lineIsWhole);
  }

  /** What stays in its socket is to be looked at cheaply, however many packets it comes in: until `end`. */
  holdBuffer(): void {
    if (this.#holdsBuffer) return;
    this.#holdsBuffer = true;
    letReceiveBufferGrow(this.fd, false);
  }

  /** It is no longer partial, or no longer there. */
  end(): void {
    this.isOver = true;
    if (this.#holdsBuffer) letReceiveBufferGrow(this.fd, true);
    if (this.#isLow) setReceiveLowWater(this.fd, 1);
  }
}

/** Heads that wait for a pause to end: a queue for each length, so that the first due is always in front. */
export class Pauses {
  readonly #queues = [...PAUSES.map(({ ms }) => ms), LAST_LOOK_MS].map((ms) => new Queue(ms));

  /** Until the next look at one that is still growing. */
  begin(partial: Partial, now: number): void {
    let left = partial.looks - PROMPT_LOOKS;
    let at = 0;
    // Those that are looked at promptly are checked for having come to a stop after the longest pause.
    if (left < 0) at = PAUSES.length - 1;
    else for (; left >= PAUSES[at]!.looks; at++) left -= PAUSES[at]!.looks;
    this.#queues[at]!.push(partial, now);
  }

  /** Until the last look at one that has stopped to grow. */
  beginLast(partial: Partial, now: number): void {
    this.#queues[PAUSES.length]!.push(partial, now);
  }

  /** Gives those whose pause is over to `onDue`; the milliseconds until the next is. */
  tick(now: number, onDue: (partial: Partial) => void): number {
    let next = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues) next = Math.min(next, queue.tick(now, onDue));
    return next;
  }
}

/** One wait after another of the same length. */
class Queue {
  readonly #ms: number;
  #partials: Partial[] = [];
  #due: number[] = [];
  #first = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  push(partial: Partial, now: number): void {
    partial.isPausing = true;
    this.#partials.push(partial);
    this.#due.push(now + this.#ms);
  }

  tick(now: number, onDue: (partial: Partial) => void): number {
    if (this.#due.length === 0) return Number.POSITIVE_INFINITY;
    while (this.#first < this.#due.length) {
      const partial = this.#partials[this.#first]!;
      // Those that have gone leave the queue when they come to its front.
      if (!partial.isOver && this.#due[this.#first]! > now) break;
      this.#first++;
      partial.isPausing = false;
      if (!partial.isOver) onDue(partial);
    }
    // Half of it is done with: on average each is moved once.
    if (this.#first * 2 >= this.#due.length) {
      this.#partials.splice(0, this.#first);
      this.#due.splice(0, this.#first);
      this.#first = 0;
    }
    return this.#due.length === 0 ? Number.POSITIVE_INFINITY : this.#due[this.#first]! - now;
  }
}
