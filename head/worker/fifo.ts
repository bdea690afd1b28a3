/**
 * A queue of connections that all wait equally long, so that the oldest is always first: joining, leaving from
 * anywhere and asking for the oldest are each a few array writes, and nothing is allocated. A connection is named by
 * its fd and is in at most one queue; the links of all queues live in the same arrays.
 */
export interface Links {
  readonly next: Int32Array;
  readonly previous: Int32Array;
  /** When the connection joined its queue, in the clock of whoever joins it. */
  readonly since: Float64Array;
}

export function createLinks(capacity: number): Links {
  return {
    next: new Int32Array(capacity),
    previous: new Int32Array(capacity),
    since: new Float64Array(capacity),
  };
}

const NONE = -1;

export class Fifo {
  /** -1 when empty. */
  oldest = NONE;
  size = 0;
  readonly #links: Links;
  #newest = NONE;

  constructor(links: Links) {
    this.#links = links;
  }

  join(fd: number, now: number): void {
    const { next, previous, since } = this.#links;
    since[fd] = now;
    next[fd] = NONE;
    previous[fd] = this.#newest;
    if (this.#newest === NONE) this.oldest = fd;
    else next[this.#newest] = fd;
    this.#newest = fd;
    this.size++;
  }

  leave(fd: number): void {
    const { next, previous } = this.#links;
    const before = previous[fd]!;
    const after = next[fd]!;
    if (before === NONE) this.oldest = after;
    else next[before] = after;
    if (after === NONE) this.#newest = before;
    else previous[after] = before;
    this.size--;
  }

  /** When the oldest joined; Infinity when the queue is empty. */
  get oldestSince(): number {
    return this.oldest === NONE ? Number.POSITIVE_INFINITY : this.#links.since[this.oldest]!;
  }

  /** All that are in it now, the oldest first. */
  all(): number[] {
    const { next } = this.#links;
    const fds: number[] = [];
    for (let fd = this.oldest; fd !== NONE; fd = next[fd]!) fds.push(fd);
    return fds;
  }
}
