import test from 'ava';
import { Ids } from '../../../head/migrate/ids.ts';

const NOON = Date.UTC(2026, 10, 28, 12);

test('numbers go up, within a second, from one to the next, and when the clock goes back', (t) => {
  let now = NOON;
  const ids = new Ids(() => now, 7);
  const given = [ids.next(), ids.next()];
  now += 1000;
  given.push(ids.next());
  now -= 60_000;
  given.push(ids.next(), ids.next());
  t.deepEqual(
    given.toSorted((a, b) => a - b),
    given,
  );
  t.is(new Set(given).size, given.length);
  t.true(given.every(Number.isSafeInteger));
});

test('what another head has numbered is below what is numbered after it was heard of', (t) => {
  const late = new Ids(() => NOON + 5000, 1);
  const early = new Ids(() => NOON, 2);
  const other = late.next();
  t.true(early.next() < other);
  early.heard(other);
  t.true(early.next() > other);
});

test('a head that has not heard of another is right as long as its clock is', (t) => {
  const before = new Ids(() => NOON, 4_000_000).next();
  t.true(new Ids(() => NOON + 1000, 0).next() > before);
});

test('nobody can use the numbers up by saying a high one', (t) => {
  const ids = new Ids(() => NOON, 0);
  ids.heard(Number.MAX_SAFE_INTEGER);
  ids.heard(2 ** 52 + 2 ** 51);
  t.true(ids.next() < 2 ** 49);
});

test('two heads that came to the same numbers go apart', (t) => {
  const [one, other] = [new Ids(() => NOON, 5), new Ids(() => NOON, 5)];
  t.is(one.next(), other.next());
  const last = one.next();
  one.collided();
  t.true(one.next() > last);
  t.not(one.next(), other.next());
});

test('a head that has read the numbers of one which goes on gives none that this one gives next', (t) => {
  let collisions = 0;
  for (let i = 0; i < 200; i++) {
    const [before, after] = [new Ids(() => NOON, 4_000_000), new Ids(() => NOON, i)];
    const last = before.next();
    after.heard(last);
    const other = after.next();
    t.true(other > last);
    if ([before.next(), before.next(), before.next()].includes(other)) collisions++;
    // What follows is as it was.
    t.is(after.next(), other + 1);
  }
  t.true(collisions <= 3, `${collisions}`);
});

test('numbers are exact for as long as anybody plans', (t) => {
  const ids = new Ids(() => Date.UTC(2058, 0), 2 ** 22);
  t.true(Number.isSafeInteger(ids.next()));
});

test('a successor goes on above the last number of its predecessor, however far ahead that is, and nothing is given at rest', (t) => {
  const predecessor = new Ids(() => NOON, 5);
  predecessor.heard(predecessor.next() + 3600 * 2 ** 23);
  const last = predecessor.next();
  t.is(predecessor.last, last);
  predecessor.rest(true);
  t.true(predecessor.isAtRest);
  // Of another thread as well, and for all.
  const worker = Ids.shared(predecessor.memory);
  t.true(worker.isAtRest);
  t.is(worker.next(), 0);
  t.is(predecessor.next(), 0);
  t.is(worker.last, last);
  const successor = new Ids(() => NOON, 9);
  t.true(successor.next() < last);
  successor.follow(last);
  t.is(successor.next(), last + 1);
  // What it has given before was higher.
  successor.follow(1);
  t.is(successor.next(), last + 2);
  predecessor.rest(false);
  t.false(predecessor.isAtRest);
  t.is(predecessor.next(), last + 1);
});
