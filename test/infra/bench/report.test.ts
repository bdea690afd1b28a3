import test from 'ava';
import type { Contender, Suite } from '../../../infra/bench/contender.ts';
import type { Entry, Sample } from '../../../infra/bench/measure.ts';
import { drawBars, plot } from '../../../infra/bench/plot.ts';
import { failures, judge, renderTable } from '../../../infra/bench/report.ts';
import { spread } from '../../../infra/statistics/median.ts';

const contender = (name: string): Contender => ({
  name,
  about: name,
  start: () => Promise.reject(new Error('not started here')),
});

function entry(name: string, costs: readonly number[], failed = 0): Entry {
  const samples = costs.map(
    (cpu): Sample => ({
      subjectCpu: cpu,
      allCpu: cpu * 2,
      rate: 60_000 / cpu,
      user: cpu / 4,
      system: (cpu * 3) / 4,
      answers: 1000,
      failed: { reset: failed },
      slowestMs: 3,
      subjectBusy: 0.5,
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
  loads: ['steady'],
  apart: 'subject',
  bars: [
    { figure: 'subjectCpu', against: 'loop', atMost: 1.3 },
    { figure: 'subjectCpu', against: 'absent', atMost: 1 },
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
  t.true(Math.abs(verdict!.found.max - 1.2) < 1e-9);
});

test('a bar that is crossed is not met, from above and from below', (t) => {
  const entries = [entry('baton', [14]), entry('loop', [10])];
  t.false(judge(suite, entries)[0]!.met);
  const rate = (atLeast: number) => ({
    ...suite,
    bars: [{ figure: 'rate', against: 'loop', atLeast } as const],
  });
  t.true(judge(rate(0.7), entries)[0]!.met);
  t.false(judge(rate(0.8), entries)[0]!.met);
});

test('failed connections of every contender are counted', (t) => {
  t.is(failures([entry('baton', [1, 1], 2), entry('loop', [1], 3)]), 7);
});

const load = { name: 'steady', about: '', run: () => Promise.reject(new Error('not run here')) } as const;

test('the table has a line for each contender and a verdict for each bar', (t) => {
  const table = renderTable(suite, { load, entries: [entry('baton', [15]), entry('loop', [10])] });
  t.is(
    table,
    [
      'steady         us/request  user  system          us of all         requests/s  busy  load busy  failed',
      '─'.repeat(102),
      'baton   15.0 (15.0..15.0)   3.8    11.3  30.0 (30.0..30.0)  4000 (4000..4000)   50%        90%       0',
      'loop    10.0 (10.0..10.0)   2.5     7.5  20.0 (20.0..20.0)  6000 (6000..6000)   50%        90%       0',
      'CPU of the subject, baton / loop: 1.50 (1.50..1.50), NOT as the bar says: at most 1.30 times',
    ].join('\n'),
  );
});

test('the plot draws the median as long as it is, and escapes names', (t) => {
  const value = { median: 5, min: 4, max: 10 };
  const svg = drawBars('a < b', [{ title: 'cost', unit: 'us', rows: [{ name: 'x & y', value }] }]);
  t.true(svg.includes('a &lt; b'));
  t.true(svg.includes('x &amp; y'));
  // The longest bar of a group has 420 pixels.
  t.regex(svg, /<rect [^>]*width="210\.0"/);
  t.regex(svg, /d="M318\.0 \d+H570\.0"/);
});

test('a suite whose subject is apart shows its CPU time; another, that of all and the rate', (t) => {
  const results = [{ load, entries: [entry('baton', [15])] }];
  t.is(plot(suite, results).match(/<rect/g)?.length, 1);
  t.is(plot({ ...suite, apart: 'nobody' }, results).match(/<rect/g)?.length, 2);
});
