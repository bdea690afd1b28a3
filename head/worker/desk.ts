/** What is done with one worker's connections (see modes/): they are handed over, answered, ended, and counted. */
import type { Calls } from '../../shared/sys/calls.ts';
import type { Found } from '../found.ts';
import { type Desk, GIVEN_UP, NOBODY } from '../modes/mode.ts';
import type { InspectionFailure, Refusal, Voice } from '../refusals.ts';
import type { Scoreboard, WorkerCounters } from '../scoreboard.ts';
import type { Clock } from './clock.ts';
import { type Connections, UNTAKEN } from './connections.ts';
import type { Linger } from './linger.ts';
import { Outbox } from './outbox.ts';
import type { Postponed } from './postponed.ts';
import { Responses } from './responses.ts';
import type { Router } from './router.ts';
import { steps } from './steps.ts';
import type { Terminator } from './terminated.ts';

/** A connection that this many deliveries could not take is not given to another at once. */
const MAX_ATTEMPTS = 3;

export interface DeskParts {
  readonly scoreboard: Scoreboard;
  readonly counters: WorkerCounters;
  readonly connections: Connections;
  readonly router: Router;
  readonly postponed: Postponed;
  readonly terminator: Terminator;
  readonly linger: Linger;
  readonly calls: Calls;
  readonly clock: Clock;
  /** The longest request head that there can be. */
  readonly headBytesMax: number;
}

export class WorkerDesk implements Desk {
  readonly outbox: Outbox;
  readonly #scoreboard: Scoreboard;
  readonly #counters: WorkerCounters;
  readonly #connections: Connections;
  readonly #router: Router;
  readonly #postponed: Postponed;
  readonly #terminator: Terminator;
  readonly #linger: Linger;
  readonly #clock: Clock;
  readonly #responses: Responses;

  constructor({
    scoreboard,
    counters,
    connections,
    router,
    postponed,
    terminator,
    linger,
    calls,
    clock,
    headBytesMax,
  }: DeskParts) {
    this.#scoreboard = scoreboard;
    this.#counters = counters;
    this.#connections = connections;
    this.#router = router;
    this.#postponed = postponed;
    this.#terminator = terminator;
    this.#linger = linger;
    this.#clock = clock;
    this.#responses = new Responses(headBytesMax);
    this.outbox = new Outbox({ connections, linger, calls, clock, composed: this.#responses.memory });
  }

  // --- what a mode does ---

  hand(fd: number, found: Found, from: number): boolean {
    if (from === GIVEN_UP || this.#terminator.has(fd)) return false;
    const mayTry = from === NOBODY || ++this.#connections.attempts[fd]! < MAX_ATTEMPTS;
    const slot = mayTry ? this.#router.pickLane(fd, found, from) : NOBODY;
    if (slot === NOBODY) return false;
    this.#connections.unwatch(fd);
    this.place(fd, slot);
    return true;
  }

  /** Puts it on a lane; the credit for it has been taken. */
  place(fd: number, slot: number, state?: Uint8Array): void {
    this.#connections.setState(fd, UNTAKEN);
    // An untaken connection is in no queue, so the queues' clock is free to say since when it waits.
    this.#connections.links.since[fd] = this.#clock.now;
    this.#router.lanes[slot]!.push(fd, state);
  }

  postpone(fd: number, found: Found, from: number): boolean {
    if (from === GIVEN_UP || this.#terminator.has(fd)) return false;
    const dueAt = this.#router.backOffEnds(found);
    return dueAt < Number.POSITIVE_INFINITY && this.#postponed.add(fd, dueAt, this.#clock.now);
  }

  redirect(fd: number, found: Found, outcome: string): boolean {
    const slot = this.#pickDirect(fd, found);
    if (slot === NOBODY) return false;
    this.#countAnswer(fd, slot, outcome, 'redirected');
    this.#answer(fd, this.#responses.redirect(this.#originOf(slot, fd), found));
    return true;
  }

  created(fd: number, found: Found, outcome: string): boolean {
    const slot = this.#pickDirect(fd, found);
    if (slot === NOBODY) return false;
    this.#countAnswer(fd, slot, outcome, 'created');
    this.#answer(fd, this.#responses.created(this.#originOf(slot, fd), found));
    return true;
  }

  refuse(fd: number, found: Found, outcome: string, answer: Refusal = 'unavailable'): void {
    steps?.answer(fd, outcome);
    this.#countOutcome(fd, outcome);
    this.#say(fd, answer, found);
  }

  /** Nothing where a client would not understand it. */
  #say(fd: number, answer: Refusal, voice: Voice): void {
    const length = this.#responses.error(answer, voice);
    if (length > 0) this.#answer(fd, length);
    else this.#end(fd);
  }

  /** Whether what a request says of itself makes a difference to who gets it. */
  get looksInside(): boolean {
    return this.#router.looksInside;
  }

  isForNobody(found: Found): boolean {
    return this.#router.isForNobody(found);
  }

  #pickDirect(fd: number, found: Found): number {
    return found.refusal ? NOBODY : this.#router.pickDirect(fd, found);
  }

  #countOutcome(fd: number, outcome: string): void {
    this.#counters.addOutcome(this.#connections.mode[fd]!, outcome);
  }

  #originOf(slot: number, fd: number): string {
    return this.#router.originOf(slot, this.#terminator.has(fd));
  }

  #countAnswer(fd: number, slot: number, outcome: string, answer: 'redirected' | 'created'): void {
    steps?.answer(fd, outcome);
    this.#countOutcome(fd, outcome);
    this.#counters.addFor(slot, answer);
    this.#scoreboard.expectDirect(slot);
  }

  terminate(fd: number, found: Found): boolean {
    return this.#terminator.begin(fd, found);
  }

  /** What was just composed is its answer. */
  #answer(fd: number, length: number): void {
    const { bytes } = this.#responses.memory;
    if (!this.#terminator.has(fd)) this.outbox.send(fd, length);
    else this.#terminator.answer(fd, new Uint8Array(bytes.subarray(0, length)));
  }

  /** It has no answer. */
  #end(fd: number): void {
    if (this.#terminator.has(fd)) this.#terminator.answer(fd, new Uint8Array(0));
    else this.#linger.begin(fd, this.#clock.now);
  }

  // --- connections that no mode acts on ---

  /** Ends a connection whose request came to nothing; without an answer where the client would not understand one. */
  fail(fd: number, failure: InspectionFailure, answer: Refusal | undefined, voice: Voice): void {
    steps?.fail(fd, failure);
    this.#counters.add(failure);
    if (answer) this.#say(fd, answer, voice);
    else this.#end(fd);
  }

  /** Ends a connection that nobody listens to any more. */
  abandon(fd: number, why: InspectionFailure): void {
    steps?.fail(fd, why);
    this.#counters.add(why);
    this.#connections.close(fd);
  }

  /** Ends a connection that can be told nothing any more, whose client may still read; `why` of one that has no answer. */
  breakOff(fd: number, why: InspectionFailure | undefined): void {
    if (why) {
      this.#counters.add(why);
      steps?.fail(fd, why);
    }
    this.#linger.begin(fd, this.#clock.now);
  }

  // --- what deliveries say of untaken ones ---

  /** A delivery has said *taken*: from here on the connection is its own. `isClosed`: the fd stands for nothing any more. */
  taken(slot: number, fd: number, isClosed = false): void {
    this.#counters.addFor(slot, 'taken');
    this.#countOutcome(fd, 'taken');
    if (this.#router.taken(slot)) this.#postponed.hurry();
    this.#counters.addLatency((this.#clock.now - this.#connections.acceptedAt[fd]!) * 1000);
    if (isClosed) this.#connections.forget(fd);
    else this.#connections.close(fd);
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
