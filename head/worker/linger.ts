/**
 * Closing without destroying the answer. A socket closed with unread input sends RST, and a client that gets RST may
 * lose what it had not read yet (RFC 9112 section 9.6). So: answer, half-close, throw the input away until the client
 * closes too, within bounds of time and bytes, and only then close. Where nothing can be unread (`mayClose`) a plain
 * close does the same with less.
 */
import type { Calls, Ticket } from '../../shared/sys/calls.ts';
import { EAGAIN, EINTR } from '../../shared/sys/libc.ts';
import { endWriting } from '../../shared/sys/sockets.ts';
import type { Tuning } from '../worker-messages.ts';
import { type Connections, LINGERING } from './connections.ts';
import { Fifo } from './fifo.ts';

/**
 * `lingerIdleMs`: without a byte from the client; what the first looks take comes on top. `lingerTotalMs`: in all, since the
 * connection was accepted.
 */
type LingerLimits = Pick<Tuning, 'lingerIdleMs' | 'lingerTotalMs' | 'lingerBytes'>;

/**
 * Most clients close within a round trip or two. Looking so long after the answer, and so long after the look before
 * (milliseconds), at many together costs less than to be told of each by epoll, which is left for the patient ones.
 */
const LOOK_AFTER_MS = [20, 200];
/** Those that are due within this long (milliseconds) after others are left to the next look. */
const BETWEEN_LOOKS_MS = 5;
/** Looks made together. */
const LOOKS = 256;
/** One look throws away at most this much, so that one upload does not hold up the others. */
const LOOK_BYTES = 1 << 20;

/** Connections that are looked at for the same time, `afterMs` after they joined. */
interface Stage {
  readonly queue: Fifo;
  readonly afterMs: number;
}

export class Linger {
  readonly #connections: Connections;
  readonly #calls: Calls;
  readonly #limits: LingerLimits;
  readonly #stages: readonly Stage[];
  /** Watched by epoll. */
  readonly #waiting: Fifo;
  /** Being looked at: which, from which stage (one past the last: waiting), and the call that does it. */
  readonly #due = new Int32Array(LOOKS);
  readonly #from = new Uint8Array(LOOKS);
  readonly #tickets: Ticket[] = new Array(LOOKS).fill(0);
  #count = 0;
  #nextLook = 0;

  constructor(connections: Connections, calls: Calls, limits: LingerLimits) {
    this.#connections = connections;
    this.#calls = calls;
    this.#limits = limits;
    // With little patience there is time for fewer looks.
    this.#stages = LOOK_AFTER_MS.filter((afterMs, i) => i === 0 || afterMs < limits.lingerIdleMs / 4).map(
      (afterMs) => ({ queue: new Fifo(connections.links), afterMs }),
    );
    this.#waiting = new Fifo(connections.links);
  }

  /** Half-closes an answered connection, which is in no queue, and sees it to its end. */
  begin(fd: number, now: number): void {
    if (this.#connections.mayClose[fd] === 1 || endWriting(fd) < 0) {
      this.#connections.close(fd);
      return;
    }
    this.#connections.setState(fd, LINGERING);
    if (this.#connections.isWatched(fd)) this.#await(fd, now);
    else this.#stages[0]!.queue.join(fd, now);
  }

  /** One that another head has answered and half-closed. */
  resume(fd: number, now: number): void {
    this.#connections.setState(fd, LINGERING);
    this.#await(fd, now);
  }

  /** Those that linger. */
  get all(): readonly number[] {
    return [this.#waiting, ...this.#stages.map(({ queue }) => queue)].flatMap((queue) => queue.all());
  }

  /** The client of a watched connection has sent something, or ended; looked at with `flush`, or before. */
  look(fd: number, now: number): void {
    this.#waiting.leave(fd);
    this.#look(fd, this.#stages.length, now);
  }

  #await(fd: number, now: number): void {
    this.#connections.watchLeftovers(fd);
    this.#waiting.join(fd, now);
  }

  #look(fd: number, from: number, now: number): void {
    if (this.#count === LOOKS) this.flush(now);
    const at = this.#count++;
    this.#due[at] = fd;
    this.#from[at] = from;
    this.#tickets[at] = this.#calls.discard(fd, LOOK_BYTES);
  }

  /** Throws input away, and closes those that are over. */
  flush(now: number): void {
    if (this.#count === 0) return;
    this.#calls.run();
    const last = this.#stages.length;
    for (let at = 0; at < this.#count; at++) {
      const fd = this.#due[at]!;
      const from = this.#from[at]!;
      if (this.#isOver(fd, this.#calls.result(this.#tickets[at]!), now)) this.#connections.close(fd);
      else if (from === last) this.#waiting.join(fd, now);
      else if (from + 1 === last) this.#await(fd, now);
      else this.#stages[from + 1]!.queue.join(fd, now);
    }
    this.#count = 0;
  }

  /** True when there is nothing left to wait for; `n` is what throwing the input away gave. */
  #isOver(fd: number, n: number, now: number): boolean {
    const { discarded, acceptedAt } = this.#connections;
    if (n === EAGAIN || n === EINTR) return false;
    if (n <= 0) return true;
    discarded[fd]! += n;
    return discarded[fd]! > this.#limits.lingerBytes || now - acceptedAt[fd]! > this.#limits.lingerTotalMs;
  }

  /** Does what is due; the milliseconds until more is. */
  tick(now: number): number {
    if (this.#nextDue <= now) {
      for (const [from, { queue, afterMs }] of this.#stages.entries()) {
        while (queue.oldestSince + afterMs <= now) {
          const fd = queue.oldest;
          queue.leave(fd);
          this.#look(fd, from, now);
        }
      }
      this.flush(now);
      this.#nextLook = now + BETWEEN_LOOKS_MS;
    }
    while (this.#waiting.oldestSince + this.#limits.lingerIdleMs <= now) this.#closeOldest(this.#waiting);
    return Math.min(this.#nextDue, this.#waiting.oldestSince + this.#limits.lingerIdleMs) - now;
  }

  get #nextDue(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { queue, afterMs } of this.#stages) due = Math.min(due, queue.oldestSince + afterMs);
    return Math.max(due, this.#nextLook);
  }

  /** Gives up on the one that has lingered longest; false when there is none. */
  evict(): boolean {
    const queue = [this.#waiting, ...this.#stages.map((stage) => stage.queue).reverse()].find(
      ({ size }) => size > 0,
    );
    if (!queue) return false;
    this.#closeOldest(queue);
    return true;
  }

  #closeOldest(queue: Fifo): void {
    const fd = queue.oldest;
    queue.leave(fd);
    this.#connections.close(fd);
  }
}
