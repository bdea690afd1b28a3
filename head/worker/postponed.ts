/**
 * Connections that wait for a delivery which has given one back (it lacks fds, say) while no other can take them: they are
 * served late rather than told 503 while credits are free.
 */
import { GIVEN_UP, NOBODY } from '../modes/mode.ts';
import type { Tuning } from '../worker-messages.ts';
import { type Connections, POSTPONED } from './connections.ts';
import { Fifo } from './fifo.ts';
import { steps } from './steps.ts';

/** While the head stops they wait no longer than this, milliseconds. */
const STOPPING_MS = 1000;

export class Postponed {
  readonly #connections: Connections;
  readonly #queue: Fifo;
  readonly #tuning: Pick<Tuning, 'headTimeoutMs'>;
  readonly #actAgain: (fd: number, from: number) => void;
  /** When the first of the deliveries is to be asked again; Infinity while nobody waits. */
  #dueAt = Number.POSITIVE_INFINITY;
  #giveUpBy = Number.POSITIVE_INFINITY;

  /**
   * `headTimeoutMs`: the longest that one waits after it was accepted. `actAgain` has its mode act once more on a connection that
   * waits no longer.
   */
  constructor(
    connections: Connections,
    tuning: Pick<Tuning, 'headTimeoutMs'>,
    actAgain: (fd: number, from: number) => void,
  ) {
    this.#connections = connections;
    this.#queue = new Fifo(connections.links);
    this.#tuning = tuning;
    this.#actAgain = actAgain;
  }

  /** Has it wait until `dueAt`, or until somebody is known to take connections; false when it has waited too long. */
  add(fd: number, dueAt: number, now: number): boolean {
    if (now >= this.#waitsUntil(fd)) return false;
    this.#connections.setState(fd, POSTPONED);
    this.#connections.rest(fd);
    // A time from before is that of one which has left.
    this.#dueAt = this.#queue.size === 0 ? dueAt : Math.min(this.#dueAt, dueAt);
    steps?.postpone(fd);
    this.#queue.join(fd, now);
    return true;
  }

  /** Its client has gone; it is the caller's. */
  leave(fd: number): void {
    this.#queue.leave(fd);
  }

  /** Somebody takes connections (again). */
  hurry(): void {
    if (this.#queue.size > 0) this.#dueAt = 0;
  }

  /** Does what is due; the milliseconds until more is. */
  tick(now: number): number {
    if (this.#queue.size === 0) return Number.POSITIVE_INFINITY;
    if (this.#dueAt <= now) {
      this.#dueAt = Number.POSITIVE_INFINITY;
      for (const fd of this.#takeAll()) this.#actAgain(fd, NOBODY);
    }
    while (this.#oldestWaitsUntil <= now) this.evict();
    return Math.min(this.#dueAt, this.#oldestWaitsUntil) - now;
  }

  /** Gives up on the one that has waited longest; false when there is none. */
  evict(): boolean {
    const { oldest } = this.#queue;
    if (oldest < 0) return false;
    this.#queue.leave(oldest);
    this.#actAgain(oldest, GIVEN_UP);
    return true;
  }

  /** Those that wait. */
  get all(): readonly number[] {
    return this.#queue.all();
  }

  /** From here on they wait a second, no more. */
  stop(now: number): void {
    this.#giveUpBy = now + STOPPING_MS;
  }

  #waitsUntil(fd: number): number {
    return Math.min(this.#connections.acceptedAt[fd]! + this.#tuning.headTimeoutMs, this.#giveUpBy);
  }

  get #oldestWaitsUntil(): number {
    return this.#queue.size === 0 ? Number.POSITIVE_INFINITY : this.#waitsUntil(this.#queue.oldest);
  }

  #takeAll(): readonly number[] {
    const all = this.#queue.all();
    for (const fd of all) this.#queue.leave(fd);
    return all;
  }
}
