/** What is done with one worker's connections (see modes/): they are handed over, answered, ended, and counted. */
import type { Calls } from '../../shared/sys/calls.ts';
import type { Found } from '../found.ts';
import { type Desk, NOBODY } from '../modes/mode.ts';
import type { InspectionFailure, Refusal } from '../refusals.ts';
import type { Scoreboard, WorkerCounters } from '../scoreboard.ts';
import type { Clock } from './clock.ts';
import { type Connections, UNTAKEN } from './connections.ts';
import type { Linger } from './linger.ts';
import { Outbox } from './outbox.ts';
import { Responses } from './responses.ts';
import type { Router } from './router.ts';

/** A connection that this many deliveries could not take goes the way of the fallback. */
const MAX_ATTEMPTS = 3;

export interface DeskParts {
  readonly scoreboard: Scoreboard;
  readonly counters: WorkerCounters;
  readonly connections: Connections;
  readonly router: Router;
  readonly linger: Linger;
  readonly calls: Calls;
  readonly clock: Clock;
  readonly headBytes: number;
}

export class WorkerDesk implements Desk {
  readonly outbox: Outbox;
  readonly #scoreboard: Scoreboard;
  readonly #counters: WorkerCounters;
  readonly #connections: Connections;
  readonly #router: Router;
  readonly #linger: Linger;
  readonly #clock: Clock;
  readonly #responses: Responses;

  constructor({ scoreboard, counters, connections, router, linger, calls, clock, headBytes }: DeskParts) {
    this.#scoreboard = scoreboard;
    this.#counters = counters;
    this.#connections = connections;
    this.#router = router;
    this.#linger = linger;
    this.#clock = clock;
    this.#responses = new Responses(headBytes);
    this.outbox = new Outbox({ connections, linger, calls, clock, composed: this.#responses.memory });
  }

  // --- what a mode does ---

  hand(fd: number, found: Found, from: number): boolean {
    if (from !== NOBODY && ++this.#connections.attempts[fd]! >= MAX_ATTEMPTS) return false;
    const slot = this.#router.pickLane(fd, found, from);
    if (slot === NOBODY) return false;
    this.#connections.unwatch(fd);
    this.#connections.setState(fd, UNTAKEN);
    // An untaken connection is in no queue, so the queues' clock is free to say since when it waits.
    this.#connections.links.since[fd] = this.#clock.now;
    this.#router.lanes[slot]!.push(fd);
    return true;
  }

  redirect(fd: number, found: Found, outcome: string): boolean {
    const slot = this.#pickDirect(fd, found);
    if (slot === NOBODY) return false;
    this.#countAnswer(fd, slot, outcome, 'redirected');
    this.outbox.send(fd, this.#responses.redirect(this.#router.directOf(slot), found));
    return true;
  }

  created(fd: number, found: Found, outcome: string): boolean {
    const slot = this.#pickDirect(fd, found);
    if (slot === NOBODY) return false;
    this.#countAnswer(fd, slot, outcome, 'created');
    this.outbox.send(fd, this.#responses.created(this.#router.directOf(slot), found));
    return true;
  }

  refuse(fd: number, found: Found, outcome: string, answer: Refusal = 'unavailable'): void {
    this.#countOutcome(fd, outcome);
    this.outbox.send(fd, this.#responses.error(answer, found.isHead));
  }

  #pickDirect(fd: number, found: Found): number {
    return found.refusal ? NOBODY : this.#router.pickDirect(fd, found);
  }

  #countOutcome(fd: number, outcome: string): void {
    this.#counters.addOutcome(this.#connections.mode[fd]!, outcome);
  }

  #countAnswer(fd: number, slot: number, outcome: string, answer: 'redirected' | 'created'): void {
    this.#countOutcome(fd, outcome);
    this.#counters.addFor(slot, answer);
    this.#scoreboard.expectDirect(slot);
  }

  // --- connections that no mode acts on ---

  /**
   * Ends a connection whose request came to nothing; without an answer where the client would not understand one. `isHead`:
   * as far as it came it was a HEAD.
   */
  fail(fd: number, failure: InspectionFailure, answer: Refusal | undefined, isHead: boolean): void {
    this.#counters.add(failure);
    if (answer) this.outbox.send(fd, this.#responses.error(answer, isHead));
    else this.#linger.begin(fd, this.#clock.now);
  }

  /** Ends a connection that nobody listens to any more. */
  abandon(fd: number, why: InspectionFailure): void {
    this.#counters.add(why);
    this.#connections.close(fd);
  }

  // --- what deliveries say of untaken ones ---

  /** A delivery has said *taken*: from here on the connection is its own. */
  taken(slot: number, fd: number): void {
    this.#counters.addFor(slot, 'taken');
    this.#countOutcome(fd, 'taken');
    this.#router.taken(slot);
    this.#counters.addLatency((this.#clock.now - this.#connections.acceptedAt[fd]!) * 1000);
    this.#connections.close(fd);
  }

  /** An untaken connection is the head's again. */
  takeBack(slot: number): void {
    this.#counters.addFor(slot, 'returned');
    this.#scoreboard.giveCredits(slot, 1);
  }

  ended(slot: number, count: number): void {
    this.#scoreboard.giveCredits(slot, count);
  }
}
