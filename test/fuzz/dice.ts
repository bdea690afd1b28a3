/** Chances of one run, all from its seed. */
import { type Random, seededRandom } from '../../infra/statistics/random.ts';

export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  /** Once in `n` times. */
  oneIn(n: number): boolean {
    return this.#random() * n < 1;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** The first most of the time, so that what is made of several of these is right now and then. */
  mostly<T>(right: T, ...others: readonly T[]): T {
    return others.length === 0 || !this.oneIn(5) ? right : this.pick(others);
  }

  /** Up to `most` of what `make` makes; few more often than many. */
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(this.below(most + 1) + 1) }, make);
  }

  bytes(most: number): Uint8Array {
    return Uint8Array.from({ length: this.below(most + 1) }, () => this.below(256));
  }

  /** Of all sizes, bounds more often than what lies between them. */
  integer(): number {
    const size = 2 ** this.pick([0, 1, 4, 7, 8, 14, 15, 16, 20, 31, 32, 48, 53, 63]);
    return this.oneIn(2) ? size - this.below(3) : Math.floor(this.#random() * size);
  }
}
