/** When a difference may be called one. */
import { differenceInterval, type Interval } from './bootstrap.ts';
import { median } from './median.ts';
import { combinations, permutationTest } from './permutation.ts';

/** How likely a set of comparisons may be to call anything different that is not. */
const ALPHA = 0.05;
/**
 * Microseconds. A timing of the generator is right to 0.2 ms (`baton lab selfcheck` measures it): what is not surely
 * larger than that says nothing about the servers.
 */
const RESOLUTION_MICROS = 200;

export const verdicts = ['lower', 'higher', 'no difference shown', 'too few rounds'] as const;
type Verdict = (typeof verdicts)[number];

export interface Comparison extends Interval {
  readonly name: string;
  readonly a: number;
  readonly b: number;
  /** median(b) - median(a), with its interval in low and high. */
  readonly difference: number;
  /** Corrected for the number of comparisons in the set. */
  readonly p: number;
  /** What is true of b, seen from a. */
  readonly verdict: Verdict;
}

/** One figure of one case, a value a round. */
export interface Pair {
  readonly name: string;
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/**
 * Compares every pair. All pairs of one set come from the same rounds. `tests` is how many such sets are judged together:
 * each is held to its share of the error (Bonferroni). Rounds that only some pairs have are left out of the test.
 */
export function compareSet(pairs: readonly Pair[], tests = 1): Comparison[] {
  const usable = pairs.filter(({ a, b }) => a.length > 0 && b.length > 0);
  if (usable.length === 0) return [];
  const least = (of: 'a' | 'b') => Math.min(...usable.map((pair) => pair[of].length));
  const [roundsA, roundsB] = [least('a'), least('b')];
  const rows = (of: 'a' | 'b', rounds: number) =>
    Array.from({ length: rounds }, (_, round) => usable.map((pair) => pair[of][round]!));
  const ps = permutationTest(rows('a', roundsA), rows('b', roundsB));
  const enough = (2 * tests) / combinations(roundsA + roundsB, roundsA) <= ALPHA;
  return usable.map(({ name, a, b }, index) => {
    const interval = differenceInterval(a, b);
    const p = Math.min(1, ps[index]! * tests);
    const [medianA, medianB] = [median(a), median(b)];
    return {
      name,
      a: medianA,
      b: medianB,
      difference: medianB - medianA,
      ...interval,
      p,
      verdict: enough ? judge(interval, p) : 'too few rounds',
    };
  });
}

function judge({ low, high }: Interval, p: number): Verdict {
  if (p > ALPHA) return 'no difference shown';
  if (high < -RESOLUTION_MICROS) return 'lower';
  if (low > RESOLUTION_MICROS) return 'higher';
  return 'no difference shown';
}
