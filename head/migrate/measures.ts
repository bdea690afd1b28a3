/** What is counted of migrations, and how long their stages take. */
import { latencyBounds } from '../scoreboard.ts';

/** How a migration can end. */
const outcomes = [
  /** The delivery has it. */
  'adopted',
  /** The head could not freeze or save it, or had no room to steer it; it stays with the head. */
  'not_movable',
  /** The delivery could not take it; it stays with the head. */
  'refused',
  /** The delivery did not answer in time; it stays with the head. */
  'late',
  /** The delivery's link ended before it had answered; it stays with the head. */
  'left',
  /** It is not known who has it: it was reset. */
  'unknown',
] as const;
export type Outcome = (typeof outcomes)[number];

/** The parts of the time from freeze to adopted, and all of it. */
export const stages = [
  /** Hold, freeze, save and encode, at the head. */
  'dump',
  /** To the delivery and back. */
  'transfer',
  /** At the delivery: all but coming to life. */
  'restore',
  /** Forward and close, at the head. */
  'steer',
  /** From the hold until the head knows that it was adopted. */
  'adopted',
] as const;
export type Stage = (typeof stages)[number];

/** Counts by bucket of latencyBounds (not cumulative), the unbounded one last. */
const BUCKETS = latencyBounds.length + 1;

export class Histogram {
  readonly counts: Float64Array;
  readonly #sum: Float64Array;

  constructor(memory: SharedArrayBuffer, at: number) {
    this.counts = new Float64Array(memory, at * 8, BUCKETS);
    this.#sum = new Float64Array(memory, (at + BUCKETS) * 8, 1);
  }

  /** The sum of all values, microseconds. */
  get sum(): number {
    return this.#sum[0]!;
  }

  add(micros: number): void {
    let bucket = 0;
    while (bucket < latencyBounds.length && micros > latencyBounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.#sum[0]! += micros;
  }
}

interface Times {
  readonly began: number;
  readonly dumped: number;
  readonly answered: number;
  readonly restoreMicros: number;
}

const micros = (from: number, to: number): number => (to - from) * 1000;

const RECOPIED_AT = outcomes.length;
const STAGES_AT = RECOPIED_AT + 1;
const CELLS = STAGES_AT + stages.length * (BUCKETS + 1);

/** Of one thread, which alone writes; in memory that the main thread reads. */
export class Measures {
  readonly memory: SharedArrayBuffer;
  /** Why connections stayed with the head, by reason. */
  readonly reasons = new Map<string, number>();
  /** Why connections that deliveries gave back stayed with them. */
  readonly keptBack = new Map<string, number>();
  readonly stages: Readonly<Record<Stage, Histogram>>;
  readonly #cells: Float64Array;
  readonly #onReason: ((reason: string) => void) | undefined;

  /** `onReason`: who counts the reasons instead. */
  constructor(memory = new SharedArrayBuffer(CELLS * 8), onReason?: (reason: string) => void) {
    this.memory = memory;
    this.#onReason = onReason;
    this.#cells = new Float64Array(memory);
    const made = stages.map((name, i) => [name, new Histogram(memory, STAGES_AT + i * (BUCKETS + 1))]);
    this.stages = Object.fromEntries(made) as Record<Stage, Histogram>;
  }

  /** Of several threads, as they are now. `main`: of the one that has counted the reasons, and what came back. */
  static sum(main: Measures, others: readonly Measures[]): Measures {
    const sum = new Measures();
    for (const one of [main, ...others])
      for (const [at, value] of one.#cells.entries()) sum.#cells[at]! += value;
    for (const [reason, count] of main.reasons) sum.reasons.set(reason, count);
    for (const [reason, count] of main.keptBack) sum.keptBack.set(reason, count);
    return sum;
  }

  get outcomes(): Record<Outcome, number> {
    return Object.fromEntries(outcomes.map((name, at) => [name, this.#cells[at]!])) as Record<
      Outcome,
      number
    >;
  }

  /** Copies that were worth nothing, because the client's packets came meanwhile. */
  get recopied(): number {
    return this.#cells[RECOPIED_AT]!;
  }

  copiedAgain(): void {
    this.#cells[RECOPIED_AT]!++;
  }

  declined(reason: string): void {
    this.keptBack.set(reason, (this.keptBack.get(reason) ?? 0) + 1);
  }

  count(outcome: Outcome, reason?: string): void {
    this.#cells[outcomes.indexOf(outcome)]!++;
    if (reason === undefined) return;
    if (this.#onReason) this.#onReason(reason);
    else this.addReason(reason);
  }

  /** One was adopted just now. When it was begun, copied, and answered (performance.now()), and how long its restoring took. */
  adopted({ began, dumped, answered, restoreMicros }: Times): void {
    const { dump, transfer, restore, steer, adopted } = this.stages;
    dump.add(micros(began, dumped));
    transfer.add(Math.max(0, micros(dumped, answered) - restoreMicros));
    restore.add(restoreMicros);
    steer.add(micros(answered, performance.now()));
    adopted.add(micros(began, answered));
    this.count('adopted');
  }

  addReason(reason: string): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }
}
