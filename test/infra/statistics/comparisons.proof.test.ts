/** How often comparisons of noise are right, by many of them. */
import test from 'ava';
import { medianInterval } from '../../../infra/statistics/bootstrap.ts';
import { seededRandom } from '../../../infra/statistics/random.ts';
import { compareSet } from '../../../infra/statistics/verdict.ts';

/** A gaussian of mean 0 and deviation 1 (Box and Muller). */
const gaussian = (random: () => number) =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

test('about 95 of 100 intervals hold the true median, or more, with five rounds', (t) => {
  const random = seededRandom(7);
  let held = 0;
  for (let run = 0; run < 200; run++) {
    const { low, high } = medianInterval(
      Array.from({ length: 5 }, () => gaussian(random)),
      run,
    );
    if (low <= 0 && high >= 0) held++;
  }
  t.true(held >= 0.88 * 200, `${held} of 200`);
});

/** Pairs of `cases` cases of five rounds each, around 100 ms with 1 ms of noise, in microseconds. */
function simulate(seed: number, cases: number, shift: (index: number) => number) {
  const random = seededRandom(seed);
  const rounds = (offset: number) => Array.from({ length: 5 }, () => 1e5 + offset + 1000 * gaussian(random));
  return Array.from({ length: cases }, (_, index) => ({
    name: `case ${index}`,
    a: rounds(0),
    b: rounds(shift(index)),
  }));
}

test('twenty cases of two runs of the same thing show no difference in at least 95 of 100 comparisons', (t) => {
  let wrong = 0;
  for (let run = 1; run <= 60; run++) {
    const found = compareSet(simulate(run, 20, () => 0));
    if (found.some(({ verdict }) => verdict === 'lower' || verdict === 'higher')) wrong++;
  }
  // 3 of 60 are expected at most; 8 or more would come once in a hundred times.
  t.true(wrong < 8, `${wrong} of 60`);
});

test('5 ms more are found, in the one case of twenty that has them and in no other', (t) => {
  let found = 0;
  let others = 0;
  for (let run = 1; run <= 30; run++) {
    for (const { name, verdict } of compareSet(simulate(run, 20, (index) => (index === 7 ? 5000 : 0)))) {
      if (name === 'case 7' && verdict === 'higher') found++;
      else if (verdict === 'higher' || verdict === 'lower') others++;
    }
  }
  t.true(found >= 24, `${found} of 30`);
  t.true(others <= 3, `${others}`);
});
