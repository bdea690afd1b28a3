/**
 * When visits are meant to start. A pacer knows nothing of what happens to them: that is what makes the load open-loop,
 * so a slow server cannot slow its own visitors down and hide how slow it is.
 */

/** Each call gives the next intended start, in microseconds after the run's start; never less than the one before. */
export type Pacer = () => number;

/** Numbers in [0, 1). */
export type Random = () => number;

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

export const arrivalKinds = ['constant', 'poisson'] as const;
export type ArrivalKind = (typeof arrivalKinds)[number];

/** `seed` makes Poisson arrivals the same in every run that uses it. */
export function pacerFor(kind: ArrivalKind, rate: number, seed: number): Pacer {
  return kind === 'constant' ? constantArrivals(rate) : poissonArrivals(rate, seededRandom(seed));
}

/** mulberry32: 32 bits of state, good enough for gaps between visitors and the same on every machine. */
function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
