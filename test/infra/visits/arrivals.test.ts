import test from 'ava';
import {
  burstArrivals,
  constantArrivals,
  pacerFor,
  poissonArrivals,
} from '../../../infra/visits/arrivals.ts';

const take = (pacer: () => number, count: number) => Array.from({ length: count }, pacer);

const constant: [number, number[]][] = [
  [1, [0, 1e6, 2e6]],
  [4, [0, 250_000, 500_000, 750_000]],
  [0.5, [0, 2e6, 4e6]],
  [1000, [0, 1000, 2000]],
];
for (const [rate, starts] of constant) {
  test(`constant arrivals at ${rate}/s start evenly`, (t) => {
    t.deepEqual(take(constantArrivals(rate), starts.length), starts);
  });
}

test('constant arrivals do not drift at a rate that has no exact interval', (t) => {
  const pacer = constantArrivals(3);
  take(pacer, 3_000_000);
  t.is(pacer(), 1e12);
});

test('a burst has all visits of a second at its beginning', (t) => {
  t.deepEqual(take(burstArrivals(3), 7), [0, 0, 0, 1e6, 1e6, 1e6, 2e6]);
});

const poisson: [number, number, number][] = [
  // rate, random number, gap in microseconds: -ln(1 - u) / rate
  [1, 0, 0],
  [1, 1 - 1 / Math.E, 1e6],
  [10, 0.5, 69_314.718],
];
for (const [rate, random, gap] of poisson) {
  test(`a poisson gap at ${rate}/s for the random number ${random.toFixed(3)} is ${gap} µs`, (t) => {
    const [first, second] = take(
      poissonArrivals(rate, () => random),
      2,
    );
    t.true(Math.abs(first! - gap) < 0.01);
    t.true(Math.abs(second! - 2 * gap) < 0.01);
  });
}

test('poisson arrivals keep their rate and their spread, and never go back', (t) => {
  const count = 20_000;
  const starts = take(pacerFor('poisson', 100, 7), count);
  const gaps = starts.slice(1).map((start, index) => start - starts[index]!);
  t.true(gaps.every((gap) => gap >= 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  // An exponential gap deviates by its mean; four standard errors of 20,000 gaps are 3 % of it.
  t.true(Math.abs(mean - 10_000) < 300, String(mean));
  t.true(Math.abs(deviation - 10_000) < 600, String(deviation));
});

test('the same seed gives the same arrivals and another seed others', (t) => {
  t.deepEqual(take(pacerFor('poisson', 5, 3), 10), take(pacerFor('poisson', 5, 3), 10));
  t.notDeepEqual(take(pacerFor('poisson', 5, 3), 10), take(pacerFor('poisson', 5, 4), 10));
});
