/**
 * How busy deliveries are, as LARD sees it (Pai et al., Locality-Aware Request Distribution, ASPLOS 1998, section 2.4): a node
 * with fewer than T_low connections has time to spare, one with more than T_high is too busy.
 *
 * In the paper's cluster no more than (n - 1) T_high + T_low - 1 connections are admitted, so that not all can be too busy at
 * once, and each of them is being served. A head admits what there are credits for, and connections that are kept alive count
 * while they rest. With more than that both bounds grow in proportion, so that it is still said of a delivery that has more
 * than its share.
 */
import type { Loads } from '../scoreboard.ts';
import type { Candidates, Parameter } from './policy.ts';

/** The paper's. */
export const busyParameters = {
  low: { value: 25, min: 1, max: 1_000_000 },
  high: { value: 65, min: 1, max: 1_000_000 },
} as const satisfies Record<string, Parameter>;

export class Busy {
  readonly #loads: Loads;
  readonly #low: number;
  readonly #high: number;
  #turn = 0;
  /** By how much the bounds are larger than they were given. */
  #growth = 1;
  /** Of the candidates that were looked at last, the one with the fewest connections for its weight. */
  least = 0;

  constructor(loads: Loads, parameters: Readonly<Record<string, number>>) {
    this.#loads = loads;
    this.#low = parameters.low!;
    this.#high = parameters.high!;
  }

  look({ slots, count }: Candidates): void {
    // Starting elsewhere each time shares equal loads out instead of giving all to the first.
    this.#turn = (this.#turn + 1) % count;
    let all = 0;
    let fewest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const slot = slots[(this.#turn + i) % count]!;
      const load = this.of(slot);
      all += load;
      if (load >= fewest) continue;
      fewest = load;
      this.least = slot;
    }
    const admitted = (count - 1) * this.#high + this.#low - 1;
    this.#growth = Math.max(1, all / Math.max(1, admitted));
  }

  /** Its connections for its weight. */
  of(slot: number): number {
    return this.#loads.load(slot) / this.#loads.weight(slot);
  }

  /** So much so that another is to have what it would get, by the paper's rule. */
  isTooBusy(slot: number): boolean {
    const load = this.of(slot);
    const high = this.#high * this.#growth;
    return load >= 2 * high || (load > high && this.of(this.least) < this.#low * this.#growth);
  }
}

export function isAmong(slot: number, { slots, count }: Candidates): boolean {
  for (let i = 0; i < count; i++) if (slots[i] === slot) return true;
  return false;
}
