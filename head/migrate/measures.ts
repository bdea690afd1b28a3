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
export class Histogram {
  readonly counts = new Float64Array(latencyBounds.length + 1);
  /** The sum of all values, microseconds. */
  sum = 0;

  add(micros: number): void {
    let bucket = 0;
    while (bucket < latencyBounds.length && micros > latencyBounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += micros;
  }
}

const all = <K extends string, V>(names: readonly K[], make: () => V): Record<K, V> =>
  Object.fromEntries(names.map((name) => [name, make()])) as Record<K, V>;

export class Measures {
  readonly outcomes: Record<Outcome, number> = all(outcomes, () => 0);
  /** Why connections stayed with the head, by reason. */
  readonly reasons = new Map<string, number>();
  /** Copies that were worth nothing, because the client's packets came meanwhile. */
  recopied = 0;
  /** Why connections that deliveries gave back stayed with them. */
  readonly keptBack = new Map<string, number>();
  readonly stages: Record<Stage, Histogram> = all(stages, () => new Histogram());

  declined(reason: string): void {
    this.keptBack.set(reason, (this.keptBack.get(reason) ?? 0) + 1);
  }

  count(outcome: Outcome, reason?: string): void {
    this.outcomes[outcome]++;
    if (reason !== undefined) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }
}
