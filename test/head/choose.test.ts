import test from 'ava';
import fc from 'fast-check';
import {
  createChoose,
  createShared,
  policies,
  policyByName,
  policyNames,
  policyOf,
  type Shared,
} from '../../head/choose/index.ts';
import type { Candidates, Choose } from '../../head/choose/policy.ts';
import { createScoreboardMemory, Scoreboard, SLOTS } from '../../head/scoreboard.ts';
import { hashBytes } from '../../shared/fnv.ts';

const hashText = (text: string): number => hashBytes(Buffer.from(text), 0, Buffer.byteLength(text));

interface Fleet {
  readonly scoreboard: Scoreboard;
  readonly nameHash: Uint32Array;
  pick(candidates: readonly number[], key?: number): number;
}

/** A scoreboard with deliveries in slots 0, 1, ... and a policy over it. */
function fleet(
  policy: string,
  deliveries: readonly { name?: string; weight?: number; load?: number }[],
  shared: Shared = createShared(),
): Fleet {
  const scoreboard = new Scoreboard(createScoreboardMemory(1));
  const nameHash = new Uint32Array(SLOTS);
  deliveries.forEach(({ name = 'd', weight = 1, load = 0 }, slot) => {
    scoreboard.describe(slot, { credits: 1000, weight, active: load });
    nameHash[slot] = hashText(name);
  });
  const choose: Choose = createChoose(policy, scoreboard, nameHash, shared);
  const candidates: Candidates = { slots: new Int32Array(SLOTS), count: 0 };
  return {
    scoreboard,
    nameHash,
    pick(slots, key = 0) {
      // What is beyond the count is left over from before, as in the head.
      candidates.slots.set(slots);
      candidates.count = slots.length;
      return choose(candidates, key);
    },
  };
}

const named = (...names: string[]) => names.map((name) => ({ name }));

function countOf<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

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

const paths = times(400, (i) => hashText(`/page/${i}`));
/** As many connections as were given, as a head counts them. */
const give = ({ scoreboard }: Fleet, slot: number) => scoreboard.takeCredit(slot);

for (const policy of ['lard', 'lard-r']) {
  test(`${policy} shares new paths out to the least busy, and sends each where it went before, on every worker`, (t) => {
    const shared = createShared();
    const one = fleet(
      policy,
      times(4, () => ({})),
      shared,
    );
    const other = fleet(
      policy,
      times(4, () => ({})),
      shared,
    );
    const first = paths.map((path) => {
      const slot = one.pick([0, 1, 2, 3], path);
      give(one, slot);
      return slot;
    });
    t.deepEqual([...countOf(first).values()].toSorted(), [100, 100, 100, 100]);
    for (const at of [one, other])
      t.deepEqual(
        paths.map((path) => at.pick([3, 1, 0, 2], path)),
        first,
      );
  });

  test(`${policy} finds another delivery for the paths of one that goes, and for no others`, (t) => {
    const all = fleet(
      policy,
      times(3, () => ({})),
    );
    const first = paths.map((path) => all.pick([0, 1, 2], path));
    const then = paths.map((path) => all.pick([0, 2], path));
    for (const [i, slot] of first.entries()) slot === 1 ? t.not(then[i], 1) : t.is(then[i], slot);
    t.deepEqual(
      paths.map((path) => all.pick([0, 1, 2], path)),
      then,
      'it stays there when that one comes back',
    );
  });

  test(`${policy} leaves a delivery above the high mark when another is below the low one, and at twice that in any case`, (t) => {
    const [path] = paths;
    const busy = fleet(policy, [{ load: 29 }, ...times(5, () => ({ load: 30 }))]);
    const pick = () => busy.pick([0, 1, 2, 3, 4, 5], path);
    const set = (slot: number, load: number) =>
      busy.scoreboard.describe(slot, { credits: 1000, weight: 1, active: load });
    t.is(pick(), 0);
    set(0, 66);
    t.is(pick(), 0, 'nobody has time to spare');
    set(1, 25);
    t.is(pick(), 0, 'nor now');
    set(1, 24);
    t.is(pick(), 1);
    // Both serve it by now.
    if (policy === 'lard-r') return;
    set(0, 24);
    t.is(pick(), 1, 'and it stays there');
    set(0, 30);
    set(1, 129);
    t.is(pick(), 1, 'too many, and nobody below the low mark');
    set(1, 130);
    t.not(pick(), 1);
  });

  test(`${policy} goes by weights, and by the parameters that it is given`, (t) => {
    const [path] = paths;
    const busy = fleet(`${policy}:low=2,high=10`, [{ load: 25, weight: 10 }, { load: 11 }]);
    t.is(busy.pick([0, 1], path), 0);
    busy.scoreboard.describe(0, { credits: 1000, weight: 10, active: 101 });
    busy.scoreboard.describe(1, { credits: 1000, weight: 1, active: 1 });
    t.is(busy.pick([0, 1], path), 1);
  });

  test(`${policy} keeps paths together where more connections rest than its marks allow for`, (t) => {
    const crowd = fleet(
      policy,
      times(4, () => ({ load: 5000 })),
    );
    const first = paths.map((path) => crowd.pick([0, 1, 2, 3], path));
    for (let round = 0; round < 3; round++)
      t.deepEqual(
        paths.map((path) => crowd.pick([0, 1, 2, 3], path)),
        first,
      );
    crowd.scoreboard.describe(first[0]!, { credits: 1, weight: 1, active: 40_000 });
    t.not(crowd.pick([0, 1, 2, 3], paths[0]), first[0]);
  });

  test(`${policy} remembers what was asked for last, and no more than it has memory for`, (t) => {
    const many = fleet(
      policy,
      times(8, () => ({})),
    );
    const all = times(8, (i) => i);
    const hot = paths.map((path) => {
      const slot = many.pick(all, path);
      give(many, slot);
      return slot;
    });
    const size = policies.find(({ name }) => name === policy)!.sharedBytes!;
    for (let i = 0; i < 300_000; i++) {
      many.pick(all, hashText(`/once/${i}`));
      if (i % 1000 === 0) paths.forEach((path) => void many.pick(all, path));
    }
    t.deepEqual(
      paths.map((path) => many.pick(all, path)),
      hot,
    );
    t.true(size <= 2_000_000, `${size}`);
  });
}

test('lard-r has several serve a path that one is too busy for, and fewer again when that has passed', (t) => {
  const [path] = paths;
  const busy = fleet(
    'lard-r:low=2,high=4,after=1',
    times(3, () => ({})),
  );
  const set = (...loads: number[]) =>
    loads.forEach(
      (load, slot) => void busy.scoreboard.describe(slot, { credits: 1000, weight: 1, active: load }),
    );
  const clock = Date.now;
  let now = clock();
  Date.now = () => now;
  try {
    set(0, 1, 1);
    t.is(busy.pick([0, 1, 2], path), 0);
    set(5, 1, 3);
    t.is(busy.pick([0, 1, 2], path), 1, 'one more');
    set(1, 2, 3);
    t.is(busy.pick([0, 1, 2], path), 0, 'the less busy of the two');
    set(2, 1, 0);
    t.is(busy.pick([0, 1, 2], path), 1, 'the third has nothing to do with it');
    now += 1001;
    t.is(busy.pick([0, 1, 2], path), 1, 'the busier of the two is taken off');
    set(0, 3, 1);
    t.is(busy.pick([0, 1, 2], path), 1);
  } finally {
    Date.now = clock;
  }
});
