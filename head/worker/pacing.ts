/**
 * How often first bytes of which a part has come are looked at. A client that sends its head in many small packets must not
 * cost a look at all of it for each: the first few looks are made at once, and from then on there is one each few
 * milliseconds, with epoll told to be quiet meanwhile.
 */
import type { Clock } from './clock.ts';
import type { Connections } from './connections.ts';
import { PAUSED } from './looks.ts';
import { Partial } from './partial.ts';

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

export class Pacing {
  readonly #connections: Connections;
  readonly #clock: Clock;
  /** Those of which a part has come. */
  readonly #partials = new Map<number, Partial>();
  readonly #pauses = new Pauses();

  constructor(connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
  }

  of(fd: number): Partial | undefined {
    return this.#partials.get(fd);
  }

  begin(fd: number): Partial {
    const partial = new Partial(fd);
    this.#partials.set(fd, partial);
    // It is about to be watched, and epoll reports what came since the look, and what was there as well.
    partial.isEcho = true;
    return partial;
  }

  leave(fd: number): void {
    this.#partials.get(fd)?.end();
    this.#partials.delete(fd);
  }

  /** A look found more. */
  grown(partial: Partial): void {
    partial.looks++;
    partial.idleLooks = 0;
    partial.isEcho = partial.isEcho && partial.looks === 1;
    this.#pause(partial);
  }

  /** Has it looked at again after a while; until then it is left alone when it has had many looks. */
  #pause(partial: Partial): void {
    if (partial.looks >= PROMPT_LOOKS && partial.isWatched) {
      this.#connections.rest(partial.fd);
      partial.isWatched = false;
      partial.holdBuffer();
    }
    if (!partial.isPausing) this.#pauses.begin(partial, this.#clock.now);
  }

  /** A look found what the one before found; `why` it was made. */
  notGrown(partial: Partial, why: number): void {
    if (why === PAUSED) return this.#hasStopped(partial);
    if (partial.isEcho) {
      partial.isEcho = false;
      return;
    }
    // Something comes that can not be seen (behind an urgent byte, say): that must not cost a look for each packet either.
    partial.looks++;
    this.#pause(partial);
  }

  /** It has not grown during a pause. */
  #hasStopped(partial: Partial): void {
    if (!partial.isWatched) {
      this.#connections.watchInput(partial.fd);
      partial.isWatched = true;
      partial.isEcho = true;
    }
    if (partial.idleLooks++ === 0) this.#pauses.beginLast(partial, this.#clock.now);
  }

  /** Gives those whose pause is over to `onDue`; the milliseconds until the next is. */
  tick(now: number, onDue: (partial: Partial) => void): number {
    return this.#pauses.tick(now, onDue);
  }
}

/** Heads that wait for a pause to end: a queue for each length, so that the first due is always in front. */
class Pauses {
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
