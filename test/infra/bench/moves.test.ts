import test from 'ava';
import { between, readHistogram } from '../../../infra/bench/moves.ts';
import { Metrics } from '../../../shared/metrics.ts';

/** As a head has it, of so many moves in each bucket, which took so many seconds in all. */
function scrape(counts: readonly number[], sum: number): Promise<string> {
  const metrics = new Metrics(() => {});
  metrics.histogram('baton_migration_seconds', 'From freeze to adopted', [1e-4, 2e-4, 5e-4], () => [
    { counts: Float64Array.from(counts), sum },
  ]);
  return metrics.metrics();
}

test('of two readings of a head the median and the mean of what was between them', async (t) => {
  const before = readHistogram(await scrape([1000, 0, 0, 7], 1));
  const after = readHistogram(await scrape([1010, 20, 10, 7], 1.006));
  const { p50, mean, count } = between(before, after);
  t.is(count, 40);
  // The twentieth is the tenth of twenty that took 100 to 200.
  t.true(Math.abs(p50 - 150) < 1e-6, String(p50));
  t.true(Math.abs(mean - 150) < 1e-6, String(mean));
});

test('longer than all bounds is at least the last, and of nothing there is no median', async (t) => {
  const none = readHistogram(await scrape([0, 0, 0, 0], 0));
  t.is(between(none, readHistogram(await scrape([0, 0, 0, 3], 9))).p50, 500);
  t.true(Number.isNaN(between(none, none).p50));
  t.is(between(readHistogram(''), readHistogram('')).count, 0);
});
