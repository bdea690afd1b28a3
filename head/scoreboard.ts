/**
 * The scoreboard: memory that the head's main thread and all workers share. The main thread writes the mode and what it
 * knows of each delivery; a worker reads them with one atomic load each and never waits. Each worker counts in a row
 * of its own, so that counting needs no atomic; the main thread adds the rows up when somebody asks.
 */
import { type Mode, modes } from '../shared/status.ts';
import { type ModeOutcome, modeOutcomes } from './modes/index.ts';
import { type InspectionFailure, inspectionFailures } from './refusals.ts';

/** Deliveries that the head knows at once; each has a slot for as long as the head runs or until the slot is reused. */
export const SLOTS = 64;

export const DOWN = 0;
export const UP = 1;
/** Serves what it has; is given nothing more. */
export const DRAINING = 2;

/** A worker's totals. The names are also those of the metrics. */
const counters = [
  'accepted',
  /** Served, and the head's again: they come to an outcome once more. */
  'given_back',
  /** Connections that the worker holds now; falls as well as rises. */
  'open',
  'accept_failures',
  'late_messages',
  /** Next requests of which a delivery has asked whose they are: that went to another, for which it was chosen, that nobody could take. */
  'requests_moved',
  'requests_chosen',
  'requests_stayed',
] as const;
export type Total = (typeof counters)[number] | InspectionFailure | ModeOutcome;
export const totals: readonly Total[] = [
  ...counters,
  ...modeOutcomes.map(({ total }) => total),
  ...inspectionFailures,
];

/** A worker's totals for one delivery. */
export const perDelivery = ['taken', 'returned', 'redirected', 'created', 'untaken'] as const;
export type PerDelivery = (typeof perDelivery)[number];

/** Upper bounds of the handoff latency histogram, accept to taken, in microseconds; one more bucket has no bound. */
export const latencyBounds = [
  25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
  2_500_000,
] as const;

const MODE = 0;
const SLOT_FIELDS = 8;
const STATE = 0;
const CREDITS = 1;
const IN_USE = 2;
const WEIGHT = 3;
const DIRECT_OPEN = 4;
const at = (slot: number, field: number): number => 16 + slot * SLOT_FIELDS + field;

const LATENCY_SUM = latencyBounds.length + 1;
/** Behind the latencies. */
const BEATS = LATENCY_SUM + 1;
const rowSize = totals.length + SLOTS * perDelivery.length + BEATS + 1;
const latencyAt = totals.length + SLOTS * perDelivery.length;

const totalIndex = Object.fromEntries(totals.map((name, i) => [name, i])) as Record<Total, number>;
/** By the number of a mode. */
const outcomeIndex: readonly Readonly<Record<string, number>>[] = modes.map((name) =>
  Object.fromEntries(
    modeOutcomes
      .filter(({ mode }) => mode === name)
      .map(({ outcome, total }) => [outcome, totalIndex[total]]),
  ),
);
const perDeliveryIndex = Object.fromEntries(perDelivery.map((name, i) => [name, i])) as Record<
  PerDelivery,
  number
>;

/** What a thread needs to see the same scoreboard: pass it in `workerData`. */
export interface ScoreboardMemory {
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
}

export function createScoreboardMemory(workers: number): ScoreboardMemory {
  return {
    control: new SharedArrayBuffer(4 * (16 + SLOTS * SLOT_FIELDS)),
    counters: new SharedArrayBuffer(8 * rowSize * workers),
  };
}

/** What a policy may know of a delivery. */
export interface Loads {
  weight(slot: number): number;
  /** Connections that it holds or that are on their way, those that reached it directly included. */
  load(slot: number): number;
}

export class Scoreboard implements Loads {
  readonly #control: Int32Array;

  constructor(memory: ScoreboardMemory) {
    this.#control = new Int32Array(memory.control);
  }

  get mode(): number {
    return Atomics.load(this.#control, MODE);
  }

  setMode(mode: Mode): void {
    Atomics.store(this.#control, MODE, modes.indexOf(mode));
  }

  state(slot: number): number {
    return Atomics.load(this.#control, at(slot, STATE));
  }

  setState(slot: number, state: number): void {
    Atomics.store(this.#control, at(slot, STATE), state);
  }

  credits(slot: number): number {
    return Atomics.load(this.#control, at(slot, CREDITS));
  }

  inUse(slot: number): number {
    return Atomics.load(this.#control, at(slot, IN_USE));
  }

  weight(slot: number): number {
    return Atomics.load(this.#control, at(slot, WEIGHT));
  }

  load(slot: number): number {
    return this.inUse(slot) + Atomics.load(this.#control, at(slot, DIRECT_OPEN));
  }

  /** For a slot that no worker uses: what a delivery said of itself. */
  describe(slot: number, delivery: { credits: number; weight: number; active: number }): void {
    Atomics.store(this.#control, at(slot, CREDITS), delivery.credits);
    Atomics.store(this.#control, at(slot, WEIGHT), delivery.weight);
    Atomics.store(this.#control, at(slot, IN_USE), delivery.active);
    Atomics.store(this.#control, at(slot, DIRECT_OPEN), 0);
  }

  /** The delivery's own count of connections that came to its direct address. */
  setDirectOpen(slot: number, count: number): void {
    Atomics.store(this.#control, at(slot, DIRECT_OPEN), count);
  }

  /** A client was sent to its direct address; the delivery's next report replaces the guess. */
  expectDirect(slot: number): void {
    Atomics.add(this.#control, at(slot, DIRECT_OPEN), 1);
  }

  /** Takes one credit; false when none is left, however many workers ask at once. */
  takeCredit(slot: number): boolean {
    const index = at(slot, IN_USE);
    if (Atomics.add(this.#control, index, 1) < this.credits(slot)) return true;
    Atomics.sub(this.#control, index, 1);
    return false;
  }

  /** Without asking: what another head has given is given. More may be in use than there are credits, for a while. */
  useCredits(slot: number, count: number): void {
    Atomics.add(this.#control, at(slot, IN_USE), count);
  }

  giveCredits(slot: number, count: number): void {
    Atomics.sub(this.#control, at(slot, IN_USE), count);
  }
}

/** One worker's row of counters. Only that worker writes it, but for slots that are in nobody's use. */
export class WorkerCounters {
  readonly #values: Float64Array;

  constructor(memory: ScoreboardMemory, worker: number) {
    this.#values = new Float64Array(memory.counters, worker * rowSize * 8, rowSize);
  }

  add(name: Total, amount = 1): void {
    this.#values[totalIndex[name]]! += amount;
  }

  /** Counts what came of a connection of the mode with that number. */
  addOutcome(mode: number, outcome: string): void {
    this.#values[outcomeIndex[mode]![outcome]!]!++;
  }

  get(name: Total): number {
    return this.#values[totalIndex[name]]!;
  }

  addFor(slot: number, name: PerDelivery, amount = 1): void {
    this.#values[totals.length + slot * perDelivery.length + perDeliveryIndex[name]]! += amount;
  }

  setFor(slot: number, name: PerDelivery, value: number): void {
    this.#values[totals.length + slot * perDelivery.length + perDeliveryIndex[name]] = value;
  }

  getFor(slot: number, name: PerDelivery): number {
    return this.#values[totals.length + slot * perDelivery.length + perDeliveryIndex[name]]!;
  }

  addLatency(micros: number): void {
    let bucket = 0;
    while (bucket < latencyBounds.length && micros > latencyBounds[bucket]!) bucket++;
    this.#values[latencyAt + bucket]!++;
    this.#values[latencyAt + LATENCY_SUM]! += micros;
  }

  /** Counts by bucket (not cumulative), the unbounded one last, and the sum in microseconds. */
  latency(): { counts: Float64Array; sum: number } {
    return {
      counts: this.#values.subarray(latencyAt, latencyAt + LATENCY_SUM),
      sum: this.#values[latencyAt + LATENCY_SUM]!,
    };
  }

  /** Its loop has turned. */
  beat(): void {
    this.#values[latencyAt + BEATS]!++;
  }

  /** How often its loop has turned. */
  get beats(): number {
    return this.#values[latencyAt + BEATS]!;
  }

  /** For a slot that passes to a delivery of another name. */
  clearSlot(slot: number): void {
    this.#values.fill(
      0,
      totals.length + slot * perDelivery.length,
      totals.length + (slot + 1) * perDelivery.length,
    );
  }
}
