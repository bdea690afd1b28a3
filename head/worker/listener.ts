/**
 * A worker's listener: takes connections off it, as many as wait and as there is room for, and lets it rest when there is
 * no fd left.
 */
import type { Calls, Ticket } from '../../shared/sys/calls.ts';
import { type Epoll, READABLE } from '../../shared/sys/epoll.ts';
import { detachFilter, dropHandshakes, hasHandshakes } from '../../shared/sys/last-handshakes.ts';
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import * as sockets from '../../shared/sys/sockets.ts';
import type { WorkerCounters } from '../scoreboard.ts';
import type { Tuning } from '../worker-messages.ts';
import { makeTag, TAG_LISTENER } from './connections.ts';
import type { Router } from './router.ts';

/** Connections accepted before the others get their turn. */
export const ACCEPT_BATCH = 64;
/** With no fd left, how long until accepting is tried again, milliseconds. */
const ACCEPT_PAUSE_MS = 20;

/** Once it stops, handshakes under way have so long to be finished, milliseconds: a client far away, or a lost packet. */
const HANDSHAKES_MS = 1000;
/** How often they are looked after, milliseconds; also how long the first look waits for SYNs that are being answered. */
const HANDSHAKE_LOOK_MS = 20;

export interface ListenerParts {
  /** Bound, and listening or not. It is the intake's from here on. */
  readonly listener: number;
  /** Which of the worker's it is. */
  readonly index: number;
  readonly epoll: Epoll;
  readonly calls: Calls;
  readonly row: WorkerCounters;
  readonly tuning: Pick<Tuning, 'maxConnections' | 'backlog' | 'deferAcceptMs'>;
  /** Clients' addresses are asked for where its policy needs them. */
  readonly router: Pick<Router, 'policy'>;
  /** A connection that was accepted; `addressHash` is 0 where addresses are not asked for. */
  readonly onConnection: (fd: number, addressHash: number) => void;
  /** Ends the connection that can best be spared; false when there is none. */
  readonly makeRoom: () => boolean;
  /** It was told to stop: what was queued has been accepted, and the listener is closed. */
  readonly onClosed: () => void;
}

export class Listener {
  readonly #parts: ListenerParts;
  readonly #accepts: Ticket[] = new Array(ACCEPT_BATCH).fill(0);
  /** One for each accept of a batch. */
  #addresses: Memory | undefined;
  #isListening = false;
  /** Undefined: one that was inherited may have been told anything. */
  #deferMs: number | undefined;
  #open = true;
  #isWatched = false;
  #frozen = false;
  #againAt = Number.POSITIVE_INFINITY;
  #closeBy = Number.POSITIVE_INFINITY;
  #lookAt = 0;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
    this.#prepareAddresses();
  }

  #prepareAddresses(): void {
    const isWanted = this.#parts.router.policy.needs === 'address';
    if (isWanted) this.#addresses ??= allocate(ACCEPT_BATCH * sockets.ADDRESS_BYTES);
    else {
      this.#addresses?.free();
      this.#addresses = undefined;
    }
  }

  /** What it was told may have changed. Throws a SystemError. */
  tune(): void {
    this.#prepareAddresses();
    if (this.#isListening && this.#open && !this.#isStopping) this.#applyQueue();
  }

  /** Connections may still come. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Begins to listen. Throws a SystemError. */
  listen(): void {
    this.#isListening = true;
    this.#applyQueue();
    this.#watch();
  }

  /** listen(2) on what listens changes the length of its queue. */
  #applyQueue(): void {
    const { listener, tuning } = this.#parts;
    if (tuning.deferAcceptMs !== this.#deferMs) sockets.deferAccept(listener, tuning.deferAcceptMs / 1000);
    this.#deferMs = tuning.deferAcceptMs;
    sockets.listen(listener, tuning.backlog);
  }

  /** Accepts nobody until `thaw`: who comes waits in the queue. */
  freeze(): void {
    this.#frozen = true;
    if (this.#isWatched) this.#parts.epoll.remove(this.#parts.listener);
    this.#isWatched = false;
  }

  thaw(): void {
    this.#frozen = false;
    if (this.#isListening && this.#open && this.#againAt === Number.POSITIVE_INFINITY) this.#watch();
  }

  /** It is another's from now on: closed here, and nothing of it is refused. */
  release(): void {
    if (!this.#open) return;
    this.#open = false;
    sockets.closeFd(this.#parts.listener);
  }

  #watch(): void {
    if (this.#frozen) return;
    this.#isWatched = true;
    this.#parts.epoll.add(this.#parts.listener, READABLE, makeTag(TAG_LISTENER, this.#parts.index));
  }

  /** Takes up to a batch at `now` (milliseconds of performance.now()); how many it got. */
  accept(now: number): number {
    if (!this.#open) return 0;
    const { listener, calls, row, tuning, onConnection } = this.#parts;
    const room = tuning.maxConnections - row.get('open');
    if (room <= 0 && !this.#parts.makeRoom()) {
      this.#pause(now);
      return 0;
    }
    // To accept in vain costs the kernel as much as to accept: it makes the socket first (net/socket.c, do_accept).
    const queued = Math.max(sockets.queuedConnections(listener), 1);
    const wanted = Math.min(queued, ACCEPT_BATCH, Math.max(room, 1));
    for (let i = 0; i < wanted; i++)
      this.#accepts[i] = calls.accept(listener, this.#addresses, i * sockets.ADDRESS_BYTES);
    calls.run();
    let count = 0;
    let failure = 0;
    for (let i = 0; i < wanted; i++) {
      const fd = calls.result(this.#accepts[i]!);
      if (fd >= 0) {
        if (this.#isStopping) detachFilter(fd);
        onConnection(fd, this.#addressHash(i));
        count++;
        // The client gave up while it was queued; accept(2) also passes on errors of the connection itself.
      } else if (fd !== EAGAIN && fd !== ECONNABORTED && fd !== EINTR) failure = fd;
    }
    if (failure !== 0) this.#onFailure(failure, now);
    return count;
  }

  #addressHash(index: number): number {
    return this.#addresses ? sockets.addressHash(this.#addresses, index * sockets.ADDRESS_BYTES) : 0;
  }

  /** Accepting is tried again at the next wake-up where that may help, else after a pause. */
  #onFailure(errno: number, now: number): void {
    this.#parts.row.add('accept_failures');
    if ((errno === EMFILE || errno === ENFILE) && this.#parts.makeRoom()) return;
    this.#pause(now);
  }

  #pause(now: number): void {
    if (this.#isWatched) this.#parts.epoll.remove(this.#parts.listener);
    this.#isWatched = false;
    this.#againAt = now + ACCEPT_PAUSE_MS;
  }

  /** Ends a pause that is over; the milliseconds until the end of one that is not. */
  tick(now: number): number {
    if (this.#againAt <= now) {
      this.#againAt = Number.POSITIVE_INFINITY;
      if (this.#open) this.#watch();
    }
    const untilAgain = this.#againAt - now;
    if (!this.#isStopping) return untilAgain;
    return Math.min(untilAgain, this.#open ? this.#tickStop(now) : Number.POSITIVE_INFINITY);
  }

  get #isStopping(): boolean {
    return this.#closeBy < Number.POSITIVE_INFINITY;
  }

  /**
   * Lets nobody begin to connect from here on, and closes when all who had begun are in, at the latest at `by`
   * (milliseconds, as `now`).
   */
  stop(now: number, by: number): void {
    if (!this.#open || this.#closeBy < Number.POSITIVE_INFINITY) return;
    const { listener } = this.#parts;
    this.#closeBy = dropHandshakes(listener) ? Math.min(by, now + HANDSHAKES_MS) : now;
    this.#lookAt = now + HANDSHAKE_LOOK_MS;
    if (this.#closeBy <= now) this.#close(now);
  }

  /** Closes when it is time to; the milliseconds until the next look. */
  #tickStop(now: number): number {
    if (this.#lookAt <= now) {
      this.#lookAt = now + HANDSHAKE_LOOK_MS;
      // Asked before the queue is emptied: whose handshake is over is in it.
      if (now >= this.#closeBy || !hasHandshakes(this.#parts.listener)) {
        this.#close(now);
        return Number.POSITIVE_INFINITY;
      }
    }
    return this.#lookAt - now;
  }

  #close(now: number): void {
    while (this.accept(now) > 0);
    this.#open = false;
    // Closing it takes it out of the epoll set as well.
    sockets.closeFd(this.#parts.listener);
    this.#parts.onClosed();
  }
}
