import test from 'ava';
import { planFaults, unexplained } from '../../../infra/soak/faults.ts';
import { drawCharts } from '../../../infra/soak/picture.ts';
import type { HeadSample } from '../../../infra/soak/sample.ts';
import { judge, type Soaked } from '../../../infra/soak/verdict.ts';
import { seededRandom } from '../../../infra/statistics/random.ts';
import { fitSlope } from '../../../infra/statistics/slope.ts';

const MINUTE = 60_000;
const sample = (minute: number, more: Partial<HeadSample> = {}): HeadSample => ({
  at: minute * MINUTE,
  residentBytes: 150e6,
  heapBytes: 20e6,
  fds: 60,
  open: 0,
  lingering: 0,
  flows: 0,
  inUse: 0,
  accepted: 1000 * minute,
  uncounted: 0,
  cpuMicros: 0,
  ...more,
});

/** Three hours, a reading a minute. */
function threeHours(resident: (minute: number) => number, more: Partial<Soaked> = {}): Soaked {
  return {
    before: sample(0),
    after: sample(181),
    samples: Array.from({ length: 181 }, (_, minute) => sample(minute, { residentBytes: resident(minute) })),
    failed: [],
    happened: [],
    broken: [],
    ...more,
  };
}
const heldBy = (soaked: Soaked) => judge(soaked).map(({ holds }) => holds);
const ALL_HOLD = [true, true, true, true, true, true];

test('a line is found through points with noise, with an error that says how well', (t) => {
  const random = seededRandom(5);
  const points = Array.from({ length: 500 }, (_, x) => [x, 3 * x + 7 + (random() - 0.5) * 40] as const);
  const { slope, error } = fitSlope(points)!;
  t.true(Math.abs(slope - 3) < 4 * error && error < 0.01, `${slope} ± ${error}`);
  t.is(fitSlope([[1, 2]]), undefined);
  t.is(
    fitSlope([
      [1, 2],
      [1, 3],
      [1, 4],
      [2, 5],
    ]),
    undefined,
    'two places are no line to judge',
  );
});

test('memory that grows in the first hour alone is level; what grows on is found', (t) => {
  t.deepEqual(heldBy(threeHours((minute) => 100e6 + Math.min(60, minute) * 1e6)), ALL_HOLD);
  t.is(heldBy(threeHours((minute) => 100e6 + minute * 30e3))[0], false, '1.8 MB an hour');
  const garbage = (minute: number) => 100e6 + (minute % 7) * 2e6;
  t.deepEqual(heldBy(threeHours(garbage)), ALL_HOLD, 'garbage that comes and goes');
});

test('a run that is too short to tell does not judge memory', (t) => {
  const short = {
    ...threeHours(() => 100e6),
    samples: Array.from({ length: 10 }, (_, minute) => sample(minute)),
  };
  t.is(heldBy(short)[0], undefined);
});

test('files, connections and credits that stay, uneven counters and broken faults are found', (t) => {
  const level = (more: Partial<Soaked>) => heldBy(threeHours(() => 100e6, more));
  t.is(level({ after: sample(181, { fds: 70 }) })[1], false);
  for (const left of [{ open: 1 }, { lingering: 1 }, { inUse: 1 }, { flows: 1 }])
    t.is(level({ after: sample(181, left) })[2], false, JSON.stringify(left));
  t.is(level({ samples: [...threeHours(() => 100e6).samples, sample(181, { uncounted: 1 })] })[3], false);
  t.is(level({ failed: [{ from: 1, to: 2, name: 'reset' }] })[4], false);
  t.is(level({ broken: ['d1 did not come back'] })[5], false);
});

test('a visit may fail when it was there as its delivery was killed, and not else', (t) => {
  const plan = planFaults(1, 200 * MINUTE, MINUTE, { deliveries: 1, cables: false });
  const { fault } = plan.find((planned) => planned.fault.name === 'delivery killed')!;
  const happened = [{ fault, victim: 'd1', from: 1000, begun: 1020, until: 6000 }];
  t.deepEqual(unexplained([{ from: 900, to: 1010, name: 'reset' }], happened), []);
  t.is(unexplained([{ from: 900, to: 999, name: 'reset' }], happened).length, 1, 'over before');
  t.is(unexplained([{ from: 1021, to: 1100, name: 'reset' }], happened).length, 1, 'begun after');
  t.is(unexplained([{ from: 900, to: 1100, name: 'timeout' }], happened).length, 1, 'nobody waits in vain');
});

test('faults are the same for a seed, one in each stretch of time, and mended before the next', (t) => {
  const plan = () => planFaults(9, 60 * MINUTE, MINUTE, { deliveries: 3, cables: true });
  t.deepEqual(plan(), plan());
  t.is(plan().length, 60);
  for (const [index, { beginMs, lastsMs }] of plan().entries())
    t.true(beginMs >= index * MINUTE && beginMs + lastsMs < (index + 1) * MINUTE);
  const onOneHost = planFaults(9, 600 * MINUTE, MINUTE, { deliveries: 3, cables: false });
  t.false(onOneHost.some(({ fault }) => fault.cable));
});

test('a picture has each line, gaps where nothing was seen, and no markup from a name', (t) => {
  const svg = drawCharts([
    {
      title: '<b>memory & co',
      lead: '',
      x: { title: '', unit: 'min', log: false },
      y: { title: '', unit: 'MB', log: true },
      lines: [
        {
          name: 'one',
          way: null,
          kind: 'steps',
          points: [
            { x: 0, y: 1 },
            { x: 1, y: null },
            { x: 2, y: 100 },
          ],
        },
        { name: 'two', way: null, kind: 'steps', points: [] },
      ],
      events: [{ x: 1, label: 'killed' }],
    },
  ]);
  t.false(svg.includes('<b>'));
  t.true(svg.includes('&lt;b&gt;memory &amp; co'));
  t.is(svg.match(/fill="none"/g)!.length, 2);
  t.regex(svg, /d="M[\d. ]+M[\d. ]+"/);
  t.false(/NaN|Infinity/.test(svg));
});
