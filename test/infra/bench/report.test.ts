import test from 'ava';
import type { Contender, Suite } from '../../../infra/bench/contender.ts';
import type { Entry, Sample } from '../../../infra/bench/measure.ts';
import { failures, judge, renderTable, spread } from '../../../infra/bench/report.ts';

const contender = (name: string): Contender => ({
  name,
  about: name,
  start: () => Promise.reject(new Error('not started here')),
});

function entry(name: string, costs: readonly number[], failed = 0): Entry {
  const samples = costs.map(
    (cpu): Sample => ({
      cpu,
      user: cpu / 4,
      system: (cpu * 3) / 4,
      connections: 1000,
      failed: { reset: failed },
      connectionsPerSecond: 5000,
      slowestMillis: 3,
      headBusy: 0.5,
      loadBusy: 0.9,
    }),
  );
  return { contender: contender(name), samples };
}

const suite: Suite = {
  name: 'handoff',
  about: '',
  status: 200,
  contenders: [],
  bars: [
    { against: 'loop', atMost: 1.3 },
    { against: 'absent', atMost: 1 },
  ],
};

test('a spread is the median, the least and the most', (t) => {
  t.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3 });
  t.deepEqual(spread([4, 1, 2, 10]), { median: 3, min: 1, max: 10 });
  t.deepEqual(spread([7]), { median: 7, min: 7, max: 7 });
});

test('a bar is judged by the ratio within each round, so that a disturbed round counts once', (t) => {
  // In the third round the machine was three times as slow for both.
  const entries = [entry('baton', [12, 12, 36]), entry('loop', [10, 10, 30])];
  const [verdict, ...others] = judge(suite, entries);
  t.deepEqual(others, []);
  t.true(verdict!.met);
  t.true(Math.abs(verdict!.ratio.max - 1.2) < 1e-9);
});

test('a bar that is crossed is not met', (t) => {
  t.false(judge(suite, [entry('baton', [14]), entry('loop', [10])])[0]!.met);
});

test('failed connections of every contender are counted', (t) => {
  t.is(failures([entry('baton', [1, 1], 2), entry('loop', [1], 3)]), 7);
});

test('the table has a line for each contender and a verdict for each bar', (t) => {
  const load = { name: 'steady', about: '', run: () => Promise.reject(new Error('not run here')) };
  const table = renderTable(suite, { load, entries: [entry('baton', [14]), entry('loop', [10])] });
  t.is(
    table,
    [
      'steady      us/connection  user  system      connections/s  head busy  load busy  failed',
      'baton   14.0 (14.0..14.0)   3.5    10.5  5000 (5000..5000)        50%        90%       0',
      'loop    10.0 (10.0..10.0)   2.5     7.5  5000 (5000..5000)        50%        90%       0',
      'baton / loop: 1.40 (1.40..1.40), ABOVE the bar of 1.30',
    ].join('\n'),
  );
});
