import test from 'ava';
import fc from 'fast-check';
import { differenceInterval, medianInterval } from '../../../infra/statistics/bootstrap.ts';
import { median } from '../../../infra/statistics/median.ts';
import { combinations, permutationTest } from '../../../infra/statistics/permutation.ts';
import { seededRandom } from '../../../infra/statistics/random.ts';
import { compareSet } from '../../../infra/statistics/verdict.ts';

const figures = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 9 });

/** A gaussian of mean 0 and deviation 1 (Box and Muller). */
const gaussian = (random: () => number) =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

test('a median lies in the middle, whatever the order', (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1]), 2.5);
  fc.assert(
    fc.property(figures, (values) => {
      const middle = median(values);
      const below = values.filter((value) => value < middle).length;
      const above = values.filter((value) => value > middle).length;
      return below <= values.length / 2 && above <= values.length / 2;
    }),
  );
  t.pass();
});

test("a median's interval is within the rounds, holds the median, and moves with them", (t) => {
  t.deepEqual(medianInterval([5]), { low: 5, high: 5 });
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1, maxLength: 9 }), (values) => {
      const { low, high } = medianInterval(values);
      t.true(low >= Math.min(...values) && high <= Math.max(...values));
      t.true(low <= median(values) && median(values) <= high);
      const moved = medianInterval(values.map((value) => value + 1000));
      t.deepEqual(moved, { low: low + 1000, high: high + 1000 });
    }),
    { numRuns: 30 },
  );
});

test('the interval of a difference is that of the other direction, turned round', (t) => {
  const { low, high } = differenceInterval([1, 2, 3], [11, 12, 13]);
  t.true(low >= 8 && low <= 10 && high >= 10 && high <= 12);
});

test('p counts the labelings that differ as much: known values', (t) => {
  const rounds = (values: number[]) => values.map((value) => [value]);
  t.deepEqual(permutationTest(rounds([1, 2, 3]), rounds([11, 12, 13])), [2 / combinations(6, 3)]);
  t.deepEqual(permutationTest(rounds([1, 2, 3, 4, 5]), rounds([11, 12, 13, 14, 15])), [2 / 252]);
  t.deepEqual(permutationTest(rounds([1, 1, 1]), rounds([1, 1, 1])), [1]);
  t.deepEqual(permutationTest([], rounds([1])), [1]);
});

test('p is in (0, 1], and is the same for A against B and B against A, and for any scale of a case', (t) => {
  const table = fc.integer({ min: 1, max: 3 }).chain((cases) => {
    const row = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: cases, maxLength: cases });
    return fc.tuple(
      fc.array(row, { minLength: 1, maxLength: 4 }),
      fc.array(row, { minLength: 1, maxLength: 4 }),
    );
  });
  fc.assert(
    fc.property(table, ([a, b]) => {
      const ps = permutationTest(a, b);
      t.true(ps.every((p) => p > 0 && p <= 1));
      t.deepEqual(permutationTest(b, a), ps);
      const scaled = (rows: number[][]) => rows.map((row) => row.map((value, index) => value * 10 ** index));
      t.deepEqual(permutationTest(scaled(a), scaled(b)), ps);
    }),
    { numRuns: 50 },
  );
});

test('with many rounds a sample of the labelings gives nearly what all of them would', (t) => {
  const random = seededRandom(3);
  const rounds = (shift: number) => Array.from({ length: 12 }, () => [gaussian(random) + shift]);
  t.true(combinations(24, 12) > 20_000);
  t.true(permutationTest(rounds(0), rounds(3))[0]! < 0.001);
  t.true(permutationTest(rounds(0), rounds(0))[0]! > 0.05);
});

test('three rounds each are too few to tell, and what is within the resolution is no difference', (t) => {
  const pair = (a: number[], b: number[]) => compareSet([{ name: 'x', a, b }])[0]!.verdict;
  t.is(pair([1, 2, 3], [1e6, 2e6, 3e6]), 'too few rounds');
  t.is(pair([1, 2, 3, 4], [101, 102, 103, 104]), 'no difference shown');
  t.is(pair([1, 2, 3, 4], [1001, 1002, 1003, 1004]), 'higher');
  t.is(pair([1001, 1002, 1003, 1004], [1, 2, 3, 4]), 'lower');
  t.deepEqual(compareSet([{ name: 'x', a: [], b: [1] }]), []);
});
