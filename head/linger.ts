/**
 * Closing without destroying the answer. A socket closed with unread input sends RST, and a client that gets RST may
 * lose what it had not read yet (RFC 9112 section 9.6). So: answer, half-close, throw the input away until the client
 * closes too, within bounds of time and bytes, and only then close. Where nothing can be unread (`mayClose`) a plain
 * close does the same with less.
 */
import type { Calls, Ticket } from '../shared/sys/calls.ts';
import { EAGAIN, EINTR } from '../shared/sys/libc.ts';
import { discard, endWriting } from '../shared/sys/sockets.ts';
import { type Connections, LINGERING } from './connections.ts';
import { Fifo } from './fifo.ts';

export interface LingerLimits {
  /** Without a byte from the client, milliseconds. */
  readonly idleMs: number;
  /** In all, milliseconds since the connection was accepted. */
  readonly totalMs: number;
  readonly bytes: number;
}

/**
 * Most clients close within a round trip or two: to look once after this long (milliseconds) costs less than to be told
 * by epoll, and many are looked at together.
 */
const FIRST_LOOK_MS = 20;
/** Those that are due within this long (milliseconds) after the first are left to the next look. */
const BETWEEN_LOOKS_MS = 5;
/** First looks made together. */
const LOOKS = 256;
/** One look throws away at most this much, so that one upload does not hold up the others. */
const LOOK_BYTES = 1 << 20;

export class Linger {
  readonly #connections: Connections;
  readonly #calls: Calls;
  readonly #limits: LingerLimits;
  readonly #fresh: Fifo;
  readonly #waiting: Fifo;
  readonly #due = new Int32Array(LOOKS);
  readonly #tickets: Ticket[] = new Array(LOOKS).fill(0);
  #nextLook = 0;

  constructor(connections: Connections, calls: Calls, limits: LingerLimits) {
    this.#connections = connections;
    this.#calls = calls;
    this.#limits = limits;
    this.#fresh = new Fifo(connections.links);
    this.#waiting = new Fifo(connections.links);
  }

  get size(): number {
    return this.#fresh.size + this.#waiting.size;
  }

  /** Half-closes an answered connection, which is in no queue, and sees it to its end. */
  begin(fd: number, now: number): void {
    if (this.#connections.mayClose[fd] === 1 || endWriting(fd) < 0) {
      this.#connections.close(fd);
      return;
    }
    this.#connections.setState(fd, LINGERING);
    if (this.#connections.isWatched(fd)) this.#await(fd, now);
    else this.#fresh.join(fd, now);
  }

  /** The client of a watched connection has sent something, or ended. */
  look(fd: number, now: number): void {
    this.#waiting.leave(fd);
    if (this.#isOver(fd, discard(fd, LOOK_BYTES), now)) this.#connections.close(fd);
    else this.#waiting.join(fd, now);
  }

  #await(fd: number, now: number): void {
    this.#connections.watchLeftovers(fd);
    this.#waiting.join(fd, now);
  }

  /** True when there is nothing left to wait for; `n` is what throwing the input away gave. */
  #isOver(fd: number, n: number, now: number): boolean {
    const { discarded, acceptedAt } = this.#connections;
    if (n === EAGAIN || n === EINTR) return false;
    if (n <= 0) return true;
    discarded[fd]! += n;
    return discarded[fd]! > this.#limits.bytes || now - acceptedAt[fd]! > this.#limits.totalMs;
  }

  /** Looks at those that were answered FIRST_LOOK_MS ago. */
  #lookAtFresh(now: number): void {
    let count: number;
    do {
      for (count = 0; count < LOOKS && this.#fresh.oldestSince + FIRST_LOOK_MS <= now; count++) {
        const fd = this.#fresh.oldest;
        this.#fresh.leave(fd);
        this.#due[count] = fd;
        this.#tickets[count] = this.#calls.discard(fd, LOOK_BYTES);
      }
      this.#calls.run();
      for (let i = 0; i < count; i++) {
        const fd = this.#due[i]!;
        if (this.#isOver(fd, this.#calls.result(this.#tickets[i]!), now)) this.#connections.close(fd);
        else this.#await(fd, now);
      }
    } while (count === LOOKS);
    this.#nextLook = now + BETWEEN_LOOKS_MS;
  }

  get #nextFresh(): number {
    return Math.max(this.#fresh.oldestSince + FIRST_LOOK_MS, this.#nextLook);
  }

  /** Does what is due; the milliseconds until more is. */
  tick(now: number): number {
    if (this.#nextFresh <= now) this.#lookAtFresh(now);
    while (this.#waiting.oldestSince + this.#limits.idleMs <= now) this.#closeOldest(this.#waiting);
    return Math.min(this.#nextFresh, this.#waiting.oldestSince + this.#limits.idleMs) - now;
  }

  /** Gives up on the one that has lingered longest; false when there is none. */
  evict(): boolean {
    const queue = this.#waiting.size > 0 ? this.#waiting : this.#fresh;
    if (queue.size === 0) return false;
    this.#closeOldest(queue);
    return true;
  }

  #closeOldest(queue: Fifo): void {
    const fd = queue.oldest;
    queue.leave(fd);
    this.#connections.close(fd);
  }
}
