/**
 * How far a median over a few rounds can be trusted: percentile bootstrap (Efron 1979). What is drawn again is whole
 * rounds, because the visits of one round share whatever the machine did meanwhile and are not independent. With the
 * four to six rounds of an experiment the interval is close to the range of the rounds, which is the honest width.
 */
import { median } from './median.ts';
import { seededRandom } from './random.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;
const LEVEL = 0.95;

/** The interval of the median of `values`. A single value, or none, is its own interval. */
export function medianInterval(values: readonly number[], seed = 1): Interval {
  return middlePart(RESAMPLES, seed, (draw) => median(draw(values)));
}

/** The interval of median(b) - median(a), two sets of rounds that were measured apart. */
export function differenceInterval(a: readonly number[], b: readonly number[], seed = 1): Interval {
  return middlePart(RESAMPLES, seed, (draw) => median(draw(b)) - median(draw(a)));
}

type Draw = (values: readonly number[]) => number[];

function middlePart(count: number, seed: number, statistic: (draw: Draw) => number): Interval {
  const random = seededRandom(seed);
  const draw: Draw = (values) => values.map(() => values[Math.floor(random() * values.length)]!);
  const found = Float64Array.from({ length: count }, () => statistic(draw)).sort();
  const tail = Math.floor((count * (1 - LEVEL)) / 2);
  return { low: found[tail]!, high: found[count - 1 - tail]! };
}
