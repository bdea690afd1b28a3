/**
 * Could two sets of rounds be one? If they were, it would not matter which rounds are called A and which B: so the
 * labels are dealt out anew in every possible way, and p is the share of the ways in which the difference is at least
 * as large as the one found. The unit is a round, not a visit: visits of one round share its luck.
 *
 * A round carries one figure per case (handoff at 10 ms, redirect at 10 ms, ...). They are relabelled together and the
 * largest standardised difference of any case is what each case is held against (max-T, Westfall and Young 1993), so that
 * looking at many cases makes no false finding likelier, and cases that rise and fall together are not counted twice.
 */
import { mean } from './median.ts';
import { seededRandom } from './random.ts';

/** Above this many labelings as many are drawn at random instead. */
const EXACT_UP_TO = 20_000;

/**
 * `a[round][case]` and `b[round][case]` -> p of each case, corrected for their number. The least possible p is
 * 2 / (number of labelings): 0.1 for three rounds each, 0.029 for four, 0.008 for five.
 */
export function permutationTest(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
  seed = 1,
): number[] {
  const rounds = [...a, ...b];
  const cases = rounds[0]?.length ?? 0;
  if (a.length === 0 || b.length === 0) return Array.from({ length: cases }, () => 1);
  const columns = Array.from({ length: cases }, (_, index) =>
    standardise(rounds.map((round) => round[index]!)),
  );
  const difference = (labels: readonly number[], column: readonly number[]) => {
    let inA = 0;
    for (const label of labels) inA += column[label]!;
    // The column's mean is 0, so the mean of the others follows.
    return Math.abs(inA / a.length + inA / b.length);
  };
  const found = columns.map((column) => difference(range(a.length), column));
  const atLeast = found.map(() => 0);
  let labelings = 0;
  for (const labels of labelingsOf(rounds.length, a.length, seed)) {
    labelings++;
    const largest = Math.max(...columns.map((column) => difference(labels, column)));
    // Sums in another order differ in their last bits.
    for (const [index, size] of found.entries()) if (largest >= size - 1e-9) atLeast[index]!++;
  }
  return atLeast.map((count) => count / labelings);
}

/** Mean 0 and standard deviation 1, so that cases of different size can be held against each other. */
function standardise(values: readonly number[]): number[] {
  const centre = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
  return values.map((value) => (deviation > 0 ? (value - centre) / deviation : 0));
}

/** Which rounds are called A: all ways, or, of too many, a sample that begins with the way it was. */
function* labelingsOf(total: number, chosen: number, seed: number): Generator<number[]> {
  if (combinations(total, chosen) <= EXACT_UP_TO) {
    yield* choose(total, chosen);
    return;
  }
  yield range(chosen);
  const random = seededRandom(seed);
  for (let drawn = 1; drawn < EXACT_UP_TO; drawn++) yield shuffled(total, random).slice(0, chosen);
}

function* choose(total: number, chosen: number, from = 0): Generator<number[]> {
  if (chosen === 0) {
    yield [];
    return;
  }
  for (let first = from; first <= total - chosen; first++) {
    for (const rest of choose(total, chosen - 1, first + 1)) yield [first, ...rest];
  }
}

/** Binomial coefficient. */
export function combinations(total: number, chosen: number): number {
  let ways = 1;
  for (let step = 1; step <= chosen; step++) ways = (ways * (total - chosen + step)) / step;
  return Math.round(ways);
}

function shuffled(length: number, random: () => number): number[] {
  const order = range(length);
  for (let last = length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

const range = (length: number) => Array.from({ length }, (_, index) => index);
