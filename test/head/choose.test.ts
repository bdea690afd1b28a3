import test from 'ava';
import fc from 'fast-check';
import { policies, policyByName, policyNames, policyOf } from '../../head/choose/index.ts';
import { SLOTS } from '../../head/scoreboard.ts';
import { hashBytes } from '../../shared/fnv.ts';
import { countOf, fleet, hashText, named, times } from '../support/fleet.ts';

test('the policies have the names that the command line knows, round-robin first', (t) => {
  t.is(policyNames[0], 'round-robin');
  for (const name of ['least-connections', 'weighted', 'client-hash', 'path-hash'])
    t.true(policyNames.includes(name), name);
  t.is(new Set(policyNames).size, policyNames.length);
  for (const { name } of policies) t.is(policyByName(name).name, name);
  t.throws(() => policyByName('random'), { message: `the policies are ${policyNames.join(', ')}` });
});

test('what an operator says behind a name is for the parameters of that policy, within their bounds', (t) => {
  t.deepEqual(policyOf('lard').parameters, { low: 25, high: 65 });
  t.deepEqual(policyOf('lard-r:after=5,low=3').parameters, { low: 3, high: 65, after: 5 });
  const takes = 'takes parameters as in NAME:KEY=NUMBER,...: low=25 (1 to 1000000), high=65 (1 to 1000000)';
  for (const bad of [
    'lard:',
    'lard:low',
    'lard:low=',
    'lard:low=0',
    'lard:low=1,',
    'lard:low=9999999',
    'lard:after=1',
    'lard:toString=1',
    'lard:low=-1',
    'lard:low=1:2',
  ])
    t.throws(() => policyOf(bad), { instanceOf: RangeError, message: `lard ${takes}` }, bad);
  t.throws(() => policyOf('round-robin:low=1'), { message: 'round-robin takes no parameters' });
});

for (const { name } of policies) {
  test(`${name} never picks a delivery that is not a candidate, however they come and go`, (t) => {
    const slots = fc.uniqueArray(fc.nat({ max: SLOTS - 1 }), { minLength: 1, maxLength: 8 });
    const turn = fc.record({ slots, key: fc.nat({ max: 0xffffffff }) });
    fc.assert(
      fc.property(
        fc.array(turn, { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.nat({ max: 50 })),
        (turns, numbers) => {
          const number = (): number => numbers.next().value;
          const { pick } = fleet(
            name,
            times(SLOTS, (slot) => ({ name: `d${slot}`, weight: 1 + number(), load: number() })),
          );
          for (const { slots: candidates, key } of turns) t.true(candidates.includes(pick(candidates, key)));
        },
      ),
    );
  });
}

test('round-robin takes one after the other', (t) => {
  const { pick } = fleet('round-robin', named('a', 'b', 'c'));
  t.deepEqual(
    times(7, () => pick([0, 1, 2])),
    [0, 1, 2, 0, 1, 2, 0],
  );
});

test('round-robin gives the turn of a full delivery to each of the others, not to its neighbour alone', (t) => {
  const { pick } = fleet('round-robin', named('a', 'b', 'c'));
  // Slot 1 can take only every other connection.
  const picks = times(300, (i) => pick(i % 2 === 0 ? [0, 1, 2] : [0, 2]));
  const counts = countOf(picks);
  t.true(Math.abs(counts.get(0)! - counts.get(2)!) <= 1, JSON.stringify([...counts]));
});

test('least-connections takes one with the fewest for its weight', (t) => {
  const delivery = fc.record({ weight: fc.integer({ min: 1, max: 1000 }), load: fc.nat({ max: 500 }) });
  fc.assert(
    fc.property(
      fc.array(delivery, { minLength: 1, maxLength: 8 }),
      fc.nat({ max: 7 }),
      (deliveries, earlier) => {
        const { pick } = fleet('least-connections', deliveries);
        const all = deliveries.map((_, slot) => slot);
        for (let i = 0; i < earlier; i++) pick(all);
        const ratio = ({ load, weight }: (typeof deliveries)[number]) => load / weight;
        t.is(ratio(deliveries[pick(all)]!), Math.min(...deliveries.map(ratio)));
      },
    ),
  );
});

test('least-connections counts those that came to a direct address', (t) => {
  const { scoreboard, pick } = fleet('least-connections', [{ load: 2 }, { load: 1 }]);
  t.is(pick([0, 1]), 1);
  scoreboard.setDirectOpen(1, 5);
  t.is(pick([0, 1]), 0);
});

test('least-connections shares idle deliveries out', (t) => {
  const { pick } = fleet('least-connections', named('a', 'b', 'c'));
  const counts = countOf(times(300, () => pick([0, 1, 2])));
  t.deepEqual([...counts.values()], [100, 100, 100]);
});

test('weighted spreads the heavy one between the others', (t) => {
  const { pick } = fleet('weighted', [{ weight: 5 }, { weight: 1 }, { weight: 1 }]);
  t.is(times(7, () => 'abc'[pick([0, 1, 2])]).join(''), 'aabacaa');
});

test('weighted gives exactly the weights, round after round', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const { pick } = fleet(
        'weighted',
        weights.map((weight) => ({ weight })),
      );
      const all = weights.map((_, slot) => slot);
      const round = weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = 0; i < 2; i++) {
        const counts = countOf(times(round, () => pick(all)));
        t.deepEqual(
          all.map((slot) => counts.get(slot)),
          weights,
        );
      }
    }),
    { numRuns: 50 },
  );
});

for (const policy of ['client-hash', 'path-hash']) {
  const keys = times(4000, (i) => hashText(`/path/${i}`));
  const deliveries = named('alpha', 'beta', 'gamma', 'delta');

  test(`${policy} sends a key to the same delivery on every worker and in every slot`, (t) => {
    const one = fleet(policy, deliveries);
    const other = fleet(policy, deliveries.toReversed());
    for (const key of keys) {
      const slot = one.pick([0, 1, 2, 3], key);
      t.is(one.pick([2, 0, 3, 1], key), slot);
      t.is(other.pick([0, 1, 2, 3], key), 3 - slot);
    }
  });

  test(`${policy} moves only the keys of a delivery that leaves, and moves them back when it returns`, (t) => {
    const { pick } = fleet(policy, deliveries);
    const before = keys.map((key) => pick([0, 1, 2, 3], key));
    for (const gone of [0, 1, 2, 3]) {
      const left = [0, 1, 2, 3].filter((slot) => slot !== gone);
      const moved = new Set<number>();
      keys.forEach((key, i) => {
        const now = pick(left, key);
        if (before[i] === gone) moved.add(now);
        else t.is(now, before[i]!);
      });
      t.is(moved.size, 3, 'its keys are shared out among all others');
    }
    t.deepEqual(
      keys.map((key) => pick([0, 1, 2, 3], key)),
      before,
    );
  });

  test(`${policy} spreads the keys evenly`, (t) => {
    const { pick } = fleet(policy, deliveries);
    const counts = countOf(keys.map((key) => pick([0, 1, 2, 3], key)));
    // 1000 each, give or take four standard deviations of a fair draw (27).
    for (const slot of [0, 1, 2, 3])
      t.true(Math.abs(counts.get(slot)! - 1000) < 110, `${slot}: ${counts.get(slot)}`);
  });
}

test('the hash is FNV-1a, by its published test vectors', (t) => {
  t.is(hashText(''), 0x811c9dc5);
  t.is(hashText('a'), 0xe40c292c);
  t.is(hashText('foobar'), 0xbf9cf968);
  t.is(hashBytes(Buffer.from('xfoobarx'), 1, 7), 0xbf9cf968);
});
