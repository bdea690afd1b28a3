/**
 * When visits are meant to start. A pacer knows nothing of what happens to them: that is what makes the load open-loop,
 * so a slow server cannot slow its own visitors down and hide how slow it is.
 */
import { type Random, seededRandom } from '../statistics/random.ts';

/** Each call gives the next intended start, in microseconds after the run's start; never less than the one before. */
export type Pacer = () => number;

/** One visit every 1/rate seconds. Each start is computed from its number, so rounding never adds up. */
export function constantArrivals(rate: number): Pacer {
  let number = 0;
  return () => (number++ * 1e6) / rate;
}

/** Visitors who know nothing of each other: exponential gaps with a mean of 1/rate seconds. */
export function poissonArrivals(rate: number, random: Random): Pacer {
  let at = 0;
  return () => {
    at += (-Math.log(1 - random()) * 1e6) / rate;
    return at;
  };
}

/** All visits of a second at its beginning: a crowd that comes at once, as after an announcement. */
export function burstArrivals(rate: number): Pacer {
  let number = 0;
  return () => Math.floor(number++ / rate) * 1e6;
}

export const arrivalKinds = ['constant', 'poisson', 'burst'] as const;
export type ArrivalKind = (typeof arrivalKinds)[number];

/** `seed` makes Poisson arrivals the same in every run that uses it. */
export function pacerFor(kind: ArrivalKind, rate: number, seed: number): Pacer {
  switch (kind) {
    case 'constant':
      return constantArrivals(rate);
    case 'poisson':
      return poissonArrivals(rate, seededRandom(seed));
    case 'burst':
      return burstArrivals(rate);
  }
}

/**
 * Of several generators that share arrivals, those of one: every so-many-th, so that all of theirs together are what one would
 * have made, to the microsecond.
 */
export function shareOf(pacer: Pacer, { index, of }: { readonly index: number; readonly of: number }): Pacer {
  if (of === 1) return pacer;
  const skip = (count: number) => {
    for (let skipped = 0; skipped < count; skipped++) pacer();
  };
  skip(index);
  return () => {
    const at = pacer();
    skip(of - 1);
    return at;
  };
}
