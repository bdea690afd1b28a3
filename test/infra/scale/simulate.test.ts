import test from 'ava';
import { orderOf, simulate } from '../../../infra/scale/simulate.ts';

const about = (t: import('ava').ExecutionContext, found: number, expected: number) =>
  t.true(Math.abs(found - expected) < 0.02, `${found} is not about ${expected}`);

test('a router that counts heads sends almost all elsewhere when their number changes', (t) => {
  const { met, gone } = simulate(4, 'modulo', 'goes', 20_000);
  about(t, gone, 1 / 4);
  // Of those that stay: hash mod 4 and mod 3 agree for one in three of twelve.
  about(t, met, 3 / 4 - 3 / 12);
});

test('a resilient one moves what it must: nobody is met by another when a head goes', (t) => {
  t.is(simulate(8, 'resilient', 'goes', 20_000).met, 0);
});

test('who came to a new head before is the second in the order, and the first to be asked', (t) => {
  const { met, firstAsked, asked } = simulate(8, 'resilient', 'comes', 20_000);
  about(t, met, 1 / 8);
  t.is(firstAsked, 1);
  t.is(asked, 1);
});

test('a router whose hash is not known leaves nothing but to ask one after the other', (t) => {
  const { asked } = simulate(8, 'modulo', 'comes', 20_000);
  about(t, asked / 10, 0.4);
});

test('the order is each connection’s own, and spreads them evenly', (t) => {
  const heads = [1, 2, 3];
  const counts = new Map(heads.map((head) => [head, 0]));
  for (let connection = 0; connection < 30_000; connection++) {
    const [first] = orderOf(connection, heads);
    counts.set(first!, counts.get(first!)! + 1);
  }
  for (const count of counts.values()) about(t, count / 30_000, 1 / 3);
});
