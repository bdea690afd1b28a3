import test from 'ava';
import { policyNames } from '../../../head/choose/index.ts';
import { kindNames } from '../../../infra/chaos/kinds/index.ts';
import type { Places } from '../../../infra/chaos/kinds/kind.ts';
import { halves, makeSchedule, occupiedBy, scheduleSchema } from '../../../infra/chaos/schedule.ts';
import { shrink } from '../../../infra/chaos/shrink.ts';

const places: Places = {
  deliveries: ['d1', 'd2', 'l1'],
  clients: ['c1'],
  heads: ['head'],
  plugs: [],
  cables: ['head', 'd1'],
  policies: policyNames,
  clocks: true,
};
/** Of two heads that share an address, whose hosts have cables that can be pulled. */
const twoHeads = { ...places, heads: ['head', 'head2'], cables: [], plugs: ['head', 'head2', 'd1'] };
const make = (seed: number, where = places) => makeSchedule(seed, 60_000, where);

test('a seed is a schedule, and another seed another one', (t) => {
  t.deepEqual(make(7), make(7));
  t.notDeepEqual(make(7).faults, make(8).faults);
  t.deepEqual(scheduleSchema.parse(JSON.parse(JSON.stringify(make(7)))), make(7));
});

test('nothing is broken that is broken already, and all is mended before the end', (t) => {
  for (let seed = 0; seed < 400; seed++) {
    const until = new Map<string, number>();
    for (const fault of make(seed, seed % 2 === 0 ? places : twoHeads).faults) {
      const end = fault.at + fault.lasts;
      t.true(end < 60_000);
      for (const place of occupiedBy(fault)) {
        t.true(fault.at >= (until.get(place) ?? 0), `seed ${seed}`);
        until.set(place, end);
      }
    }
  }
});

test('every kind of fault comes about in some schedule', (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 80; seed++)
    for (const { kind, target } of [...make(seed).faults, ...make(seed, twoHeads).faults])
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
    'move delivery',
    'upgrade head',
    'clock head',
    'clock delivery',
    ...['kill', 'stop', 'freeze', 'hostLost', 'cablePulled', 'upgrade', 'upgradeCut'].map(
      (kind) => `${kind} head2`,
    ),
    'cablePulled delivery',
  ])
    t.true(seen.has(one), one);
  for (const kind of kindNames)
    t.true(
      [...seen].some((one) => one.startsWith(`${kind} `)),
      kind,
    );
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
