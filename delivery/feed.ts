/**
 * Between what this process has taken and the server that gets it.
 *
 * The application's code runs when a server gets a connection, and may do anything: throw, wait for a promise, work for a
 * second. So it never runs within a loop of ours. Each connection has a callback of its own in the event loop
 * (setImmediate), as one that is accepted has: what it throws goes to `uncaughtException` and the next callback comes all the
 * same, promises and nextTicks are settled between two. A turn of the event loop has a bound of both connections and
 * time, so that timers, other sockets and the head's questions wait no longer for a burst than for a single connection.
 *
 * What waits here ends with this process, while what waits in a lane goes to another delivery: no more than one turn's
 * worth is taken ahead.
 */

import { EAGAIN } from '../shared/sys/libc.ts';
import { trace } from '../shared/trace.ts';
import type { Admission } from './admit.ts';
import type { AdoptedHandle } from './adopt.ts';
import type { Arrival, Connections } from './connections.ts';
import { type FirstInput, ReadAhead } from './read-ahead.ts';
import { traceServe } from './steps.ts';

/** Connections, and milliseconds, of one turn of the event loop. */
const A_TURN = 64;
const A_TURN_MS = 10;
/** More is taken when there is so much room: a few at a time would cost each of them more. */
const ROOM_AT_LEAST = A_TURN / 2;

/** In a list and not in an array, which would point at what it has given until it is given up itself. */
class Waiting {
  /** A thread that ends closes its handles, and would forget an fd. */
  readonly handle: AdoptedHandle;
  readonly input: FirstInput;
  readonly arrival: Arrival;
  next: Waiting | undefined = undefined;

  constructor(handle: AdoptedHandle, input: FirstInput, arrival: Arrival) {
    this.handle = handle;
    this.input = input;
    this.arrival = arrival;
  }
}

export class Feed {
  readonly #admission: Admission;
  readonly #connections: Connections;
  readonly #readAhead = new ReadAhead();
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  /** How many wait. */
  #length = 0;
  /** Callbacks that are still to come in this turn of the event loop, and in the next. */
  #inTurn = 0;
  #inNext = 0;
  #turnEnds = 0;
  /** They have more, and are told when there is room. */
  readonly #sources = new Set<() => void>();
  #open = true;

  constructor(admission: Admission, connections: Connections) {
    this.#admission = admission;
    this.#connections = connections;
  }

  /** So many connections may be taken; 0 while there are enough. */
  get room(): number {
    const room = A_TURN - this.#length;
    return room < ROOM_AT_LEAST || !this.#open ? 0 : room;
  }

  /** `take` is called when there is room, once. */
  whenRoom(take: () => void): void {
    this.#sources.add(take);
  }

  forget(take: () => void): void {
    this.#sources.delete(take);
  }

  /**
   * Connections that are this process's own from now on; `arrivalOf` is asked once for each. `serve` must follow. `areRequests`:
   * what they begin with is for the server to read.
   */
  add(fds: readonly number[], arrivalOf: (index: number) => Arrival, areRequests = true): void {
    this.#connections.expect(fds.length);
    const mayReadAhead = areRequests && this.#open && this.#admission.mayReadAhead;
    if (mayReadAhead)
      this.#readAhead.read(fds, (fd, input, index) => this.#push(fd, input, arrivalOf(index)));
    else for (let at = 0; at < fds.length; at++) this.#push(fds[at]!, EAGAIN, arrivalOf(at));
  }

  #push(fd: number, input: FirstInput, arrival: Arrival): void {
    const handle = this.#admission.adopt(fd, arrival);
    if (!handle) return;
    if (!this.#open) return this.#admission.refuse(handle, arrival);
    const waiting = new Waiting(handle, input, arrival);
    if (this.#last) this.#last.next = waiting;
    else this.#first = waiting;
    this.#last = waiting;
    this.#length++;
  }

  #shift(): Waiting | undefined {
    const waiting = this.#first;
    if (!waiting) return undefined;
    this.#first = waiting.next;
    if (!this.#first) this.#last = undefined;
    waiting.next = undefined;
    this.#length--;
    return waiting;
  }

  /** Sees to it that the server gets what waits. */
  serve(): void {
    this.#schedule(this.#length - this.#inTurn);
  }

  /**
   * As `serve`, but the first one gets its turn in the caller's: only where nothing of the caller's comes after it, for
   * it may throw. It saves a connection that comes alone a turn of the event loop.
   */
  serveFirst(): void {
    if (this.#length === 0) return;
    this.#schedule(this.#length - 1 - this.#inTurn);
    this.#next();
  }

  /** The next turn gets callbacks for that many connections. Those of one turn come before all of the next. */
  #schedule(count: number): void {
    const wanted = Math.min(count, A_TURN);
    for (; this.#inNext < wanted; this.#inNext++) setImmediate(this.#step);
  }

  readonly #step = (): void => {
    const now = performance.now();
    if (this.#inTurn === 0) {
      this.#inTurn = this.#inNext;
      this.#inNext = 0;
      this.#turnEnds = now + A_TURN_MS;
    }
    this.#inTurn--;
    const isLate = now > this.#turnEnds;
    this.#schedule(isLate ? this.#length : this.#length - 1 - this.#inTurn);
    if (!isLate) this.#next();
  };

  /** The application's code runs in here: it comes last. */
  #next(): void {
    const waiting = this.#shift();
    if (!waiting) return;
    const { handle, input, arrival } = waiting;
    if (this.#sources.size > 0 && this.room > 0) this.#tellSources();
    if (trace) traceServe(arrival);
    this.#admission.admit(handle, input, arrival);
  }

  /** The one that gave last comes last. */
  #tellSources(): void {
    const sources = [...this.#sources];
    this.#sources.clear();
    for (const take of sources) {
      if (this.room > 0) take();
      else this.#sources.add(take);
    }
    this.serve();
  }

  /** What still waits is closed. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    for (let waiting = this.#shift(); waiting; waiting = this.#shift())
      this.#admission.refuse(waiting.handle, waiting.arrival);
    this.#readAhead.end();
  }
}
