import test from 'ava';
import { policyNames } from '../../../head/choose/index.ts';
import { halves, makeSchedule, scheduleSchema } from '../../../infra/chaos/schedule.ts';
import { shrink } from '../../../infra/chaos/shrink.ts';

const places = { deliveries: ['d1', 'd2', 'l1'], clients: ['c1'], cables: ['head', 'd1'] };
const make = (seed: number) => makeSchedule(seed, 60_000, places, policyNames);

test('a seed is a schedule, and another seed another one', (t) => {
  t.deepEqual(make(7), make(7));
  t.notDeepEqual(make(7).faults, make(8).faults);
  t.deepEqual(scheduleSchema.parse(JSON.parse(JSON.stringify(make(7)))), make(7));
});

test('nothing is broken that is broken already, and all is mended before the end', (t) => {
  for (let seed = 0; seed < 200; seed++) {
    const until = new Map<string, number>();
    for (const { at, lasts, kind, target } of make(seed).faults) {
      t.true(at + lasts < 60_000);
      const place = `${kind.startsWith('link') ? 'cable ' : ''}${kind === 'mode' ? 'head' : target}`;
      t.true(at >= (until.get(place) ?? 0), `seed ${seed}`);
      until.set(place, at + lasts);
    }
  }
});

test('every kind of fault comes about in some schedule', (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 50; seed++)
    for (const { kind, target } of make(seed).faults)
      seen.add(`${kind} ${/^[dl]\d/.test(target) ? 'delivery' : target}`);
  for (const one of [
    'kill delivery',
    'kill head',
    'stop head',
    'freeze head',
    'fewFiles head',
    'kill c1',
    'drain delivery',
    'linkDown head',
    'mode redirect',
  ])
    t.true(seen.has(one), one);
});

test('a schedule is made small by halves, within its tries', async (t) => {
  const whole = make(3);
  const culprit = whole.faults[5]!;
  let runs = 0;
  const fails = async ({ faults }: typeof whole) => {
    runs++;
    return faults.some(
      ({ kind, target, lasts }) =>
        kind === culprit.kind && target === culprit.target && lasts === culprit.lasts,
    );
  };
  const smallest = await shrink(whole, fails, 20);
  t.is(smallest.faults.length, 1);
  t.is(smallest.faults[0]!.kind, culprit.kind);
  runs = 0;
  await shrink(whole, fails, 2);
  t.true(runs <= 2);
  t.deepEqual(halves({ ...whole, faults: [culprit] }), []);
});
