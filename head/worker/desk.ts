/**
 * Where one worker's connections are sent on their way: the deliveries that it knows, the policy that chooses one,
 * and the ways to pass a connection on or to answer it (see modes/).
 */

import type { Calls } from '../../shared/sys/calls.ts';
import { policyByName } from '../choose/index.ts';
import { type Candidates, type Choose, hashBytes, type Policy } from '../choose/policy.ts';
import type { Desk } from '../modes/mode.ts';
import {
  type InspectionFailure,
  type Scoreboard,
  SLOTS,
  type Total,
  UP,
  type WorkerCounters,
} from '../scoreboard.ts';
import { type Connections, UNTAKEN } from './connections.ts';
import type { Lane } from './fd-lane.ts';
import { request } from './inspect/http.ts';
import type { Linger } from './linger.ts';
import { Outbox } from './outbox.ts';
import { type ErrorAnswer, Responses } from './responses.ts';

/** A delivery that leaves a connection untaken for this long (milliseconds) is passed over while others are quicker. */
const SLOW_MS = 100;

/**
 * A delivery that returns a connection is passed over for so long while there are others (milliseconds), and for twice as
 * long each time it returns the next one that it is given then: what it lacks (fds, say) may not come back soon.
 */
const BACK_OFF_MS = 10;
const BACK_OFF_MAX_MS = 2000;

/** A connection that this many deliveries could not take goes the way of the fallback. */
const MAX_ATTEMPTS = 3;

export class WorkerDesk implements Desk {
  /** The lanes by slot, and those that there are. */
  readonly lanes: (Lane | undefined)[] = new Array(SLOTS).fill(undefined);
  open: Lane[] = [];
  readonly policy: Policy;
  /** Set by the worker's loop at each wake-up: milliseconds of performance.now(). */
  now = 0;
  readonly #scoreboard: Scoreboard;
  readonly #row: WorkerCounters;
  readonly #connections: Connections;
  readonly #linger: Linger;
  readonly #responses: Responses;
  readonly outbox: Outbox;
  readonly #choose: Choose;
  readonly #direct: (string | null)[] = new Array(SLOTS).fill(null);
  readonly #nameHash = new Uint32Array(SLOTS);
  /** Slots that were ever joined are below this. */
  #known = 0;
  readonly #candidates: Candidates = { slots: new Int32Array(SLOTS), count: 0 };
  readonly #client = { addressHash: 0, pathHash: 0 };
  #avoid = -1;
  /** By slot: how long it is passed over, and until when. Milliseconds; 0 when it is not. */
  readonly #backOffMs = new Float64Array(SLOTS);
  readonly #backOffUntil = new Float64Array(SLOTS);

  constructor(parts: {
    scoreboard: Scoreboard;
    row: WorkerCounters;
    connections: Connections;
    linger: Linger;
    calls: Calls;
    headBytes: number;
    policy: string;
  }) {
    this.#scoreboard = parts.scoreboard;
    this.#row = parts.row;
    this.#connections = parts.connections;
    this.#linger = parts.linger;
    this.#responses = new Responses(parts.headBytes);
    this.outbox = new Outbox(parts.connections, parts.linger, parts.calls, this.#responses.memory);
    this.policy = policyByName(parts.policy);
    this.#choose = this.policy.create(parts.scoreboard, this.#nameHash);
  }

  join(slot: number, name: string, direct: string | null, lane: Lane): void {
    const bytes = Buffer.from(name);
    this.lanes[slot] = lane;
    this.#backOffMs[slot] = this.#backOffUntil[slot] = 0;
    this.#direct[slot] = direct;
    this.#nameHash[slot] = hashBytes(bytes, 0, bytes.length);
    this.#known = Math.max(this.#known, slot + 1);
    this.open.push(lane);
  }

  /** The lane of a delivery that has gone, no longer known here. */
  leave(slot: number): Lane | undefined {
    const lane = this.lanes[slot];
    this.lanes[slot] = undefined;
    this.#direct[slot] = null;
    this.open = this.open.filter((other) => other !== lane);
    return lane;
  }

  /** As `hand`, but not to the delivery that has just returned it. */
  handElsewhere(fd: number, avoid: number): boolean {
    if (++this.#connections.attempts[fd]! >= MAX_ATTEMPTS) return false;
    this.#avoid = avoid;
    try {
      return this.hand(fd);
    } finally {
      this.#avoid = -1;
    }
  }

  hand(fd: number): boolean {
    const slot = this.#pickLane(fd);
    if (slot < 0) return false;
    this.#connections.unwatch(fd);
    this.#connections.setState(fd, UNTAKEN);
    // An untaken connection is in no queue, so the queues' clock is free to say since when it waits.
    this.#connections.links.since[fd] = this.now;
    this.lanes[slot]!.push(fd);
    this.#row.addFor(slot, 'untaken');
    return true;
  }

  /** A slot whose credit was taken for this connection; -1 when every delivery is full, slow ones included. */
  #pickLane(fd: number): number {
    let slot = this.#pickLaneAmong(fd, SLOW_MS);
    if (slot < 0) slot = this.#pickLaneAmong(fd, Number.POSITIVE_INFINITY);
    return slot;
  }

  #pickLaneAmong(fd: number, slowMs: number): number {
    const candidates = this.#candidates;
    candidates.count = 0;
    for (let slot = 0; slot < this.#known; slot++) {
      const lane = this.lanes[slot];
      if (!lane || slot === this.#avoid || lane.isFull || this.#scoreboard.state(slot) !== UP) continue;
      if (this.#scoreboard.inUse(slot) >= this.#scoreboard.credits(slot)) continue;
      if (this.waited(lane) > slowMs) continue;
      if (this.#backOffUntil[slot]! > this.now && slowMs === SLOW_MS) continue;
      candidates.slots[candidates.count++] = slot;
    }
    while (candidates.count > 0) {
      const slot = this.#ask(fd);
      if (this.#scoreboard.takeCredit(slot)) return slot;
      // Another worker took the last credit just now.
      this.#drop(slot);
    }
    return -1;
  }

  /** It has returned a connection. */
  backOff(slot: number): void {
    // Those that were on their way when it began count once.
    if (this.#backOffUntil[slot]! > this.now) return;
    this.#backOffMs[slot] = Math.min(Math.max(this.#backOffMs[slot]! * 2, BACK_OFF_MS), BACK_OFF_MAX_MS);
    this.#backOffUntil[slot] = this.now + this.#backOffMs[slot]!;
  }

  /** For how long the lane's first untaken connection has waited, milliseconds; 0 when there is none. */
  waited(lane: Lane): number {
    const oldest = lane.oldestUntaken;
    return oldest < 0 ? 0 : this.now - this.#connections.links.since[oldest]!;
  }

  #pickDirect(fd: number): number {
    const candidates = this.#candidates;
    candidates.count = 0;
    for (let slot = 0; slot < this.#known; slot++) {
      if (this.#direct[slot] !== null && this.#scoreboard.state(slot) === UP) {
        candidates.slots[candidates.count++] = slot;
      }
    }
    return candidates.count === 0 ? -1 : this.#ask(fd);
  }

  #ask(fd: number): number {
    const { needs } = this.policy;
    if (needs === 'address') this.#client.addressHash = this.#connections.addressHash[fd]!;
    if (needs === 'path') {
      this.#client.pathHash = hashBytes(request.bytes, request.targetStart, request.pathEnd);
    }
    return this.#choose(this.#candidates, this.#client);
  }

  #drop(slot: number): void {
    const { slots } = this.#candidates;
    const index = slots.indexOf(slot);
    slots.copyWithin(index, index + 1, this.#candidates.count);
    this.#candidates.count--;
  }

  redirect(fd: number, outcome: Total): boolean {
    const slot = request.refusal ? -1 : this.#pickDirect(fd);
    if (slot < 0) return false;
    this.#countAnswer(slot, outcome, 'redirected');
    this.outbox.send(fd, this.#responses.redirect(this.#direct[slot]!, request.bytes));
    return true;
  }

  created(fd: number, outcome: Total): boolean {
    const slot = request.refusal ? -1 : this.#pickDirect(fd);
    if (slot < 0) return false;
    this.#countAnswer(slot, outcome, 'created');
    this.outbox.send(fd, this.#responses.created(this.#direct[slot]!, request.bytes));
    return true;
  }

  #countAnswer(slot: number, outcome: Total, answer: 'redirected' | 'created'): void {
    this.#row.add(outcome);
    this.#row.addFor(slot, answer);
    this.#scoreboard.expectDirect(slot);
  }

  refuse(fd: number, outcome: Total, answer: ErrorAnswer = 'unavailable'): void {
    this.#row.add(outcome);
    this.outbox.send(fd, this.#responses.error(answer, request.isHead));
  }

  /**
   * Ends a connection whose request came to nothing; without an answer where the client would not understand one. `isHead`:
   * as far as it came it was a HEAD.
   */
  fail(fd: number, failure: InspectionFailure, answer: ErrorAnswer | undefined, isHead: boolean): void {
    this.#row.add(failure);
    if (answer) this.outbox.send(fd, this.#responses.error(answer, isHead));
    else this.#linger.begin(fd, this.now);
  }

  /** Ends a connection that nobody listens to any more. */
  abandon(fd: number, why: InspectionFailure): void {
    this.#row.add(why);
    this.#connections.close(fd);
  }

  /** A delivery has said *taken*: from here on the connection is its own. */
  taken(slot: number, fd: number): void {
    this.#row.addFor(slot, 'untaken', -1);
    this.#row.addFor(slot, 'taken');
    this.#row.add('handoff_taken');
    if (this.#backOffMs[slot]! > 0 && this.now > this.#backOffUntil[slot]! + this.#backOffMs[slot]!) {
      // For as long as it was passed over it has returned nothing.
      this.#backOffMs[slot] = 0;
    }
    this.#row.addLatency((this.now - this.#connections.acceptedAt[fd]!) * 1000);
    this.#connections.close(fd);
  }

  /** It was reset, because it could not be known who had it. */
  lost(slot: number, fd: number): void {
    this.#row.addFor(slot, 'untaken', -1);
    this.#row.add('handoff_lost');
    this.#scoreboard.giveCredits(slot, 1);
    this.#connections.close(fd);
  }

  /** An untaken connection is the head's again. */
  takeBack(slot: number): void {
    this.#row.addFor(slot, 'untaken', -1);
    this.#row.addFor(slot, 'returned');
    this.#scoreboard.giveCredits(slot, 1);
  }

  ended(slot: number, count: number): void {
    this.#scoreboard.giveCredits(slot, count);
  }
}
