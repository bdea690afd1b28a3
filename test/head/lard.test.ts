/** LARD, with and without replication. */
import test from 'ava';
import { createShared, policies } from '../../head/choose/index.ts';
import { countOf, type Fleet, fleet, hashText, times } from '../support/fleet.ts';

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
