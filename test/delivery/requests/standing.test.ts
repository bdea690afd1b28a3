/** What a delivery makes of what its head has said. */
import test from 'ava';
import { GIVES, KEEPS, Standing } from '../../../delivery/requests/standing.ts';
import type { Distribute } from '../../../shared/wire/distribute.ts';

const memory = Buffer.alloc(4096);
type Asked = readonly [path: string, address?: string, host?: string];
const judge = (standing: Standing, ...[path, address = '10.0.0.1', host = 'a']: Asked) => {
  const length = memory.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1');
  return standing.judge(memory, length, () => address);
};
const three = ['a', 'b', 'c'].map((name, i) => ({ name, weight: i + 1 }));
const said = (more: Partial<Distribute>): Distribute => ({
  type: 'distribute',
  by: 'ask',
  key: 'path',
  leaseMs: 60_000,
  deliveries: three,
  ...more,
});
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

test('by hash each path is kept by one of them, however they are ordered', (t) => {
  const own = three.map(({ name }) => new Standing(said({ by: 'hash' }), name));
  const other = new Standing(said({ by: 'hash', deliveries: three.toReversed() }), 'a');
  const counts = [0, 0, 0];
  for (let i = 0; i < 300; i++) {
    const keeps = own.map((standing) => judge(standing, `/${i}?${i}`) === KEEPS);
    t.is(keeps.filter(Boolean).length, 1);
    counts[keeps.indexOf(true)]!++;
    t.is(judge(other, `/${i}`) === KEEPS, keeps[0]);
  }
  for (const count of counts) t.true(count > 60);
  const gone = new Standing(said({ by: 'hash' }), 'd');
  t.true(
    times(30, (i) => judge(gone, `/${i}`)).every((verdict) => verdict !== KEEPS),
    'it is given nothing more',
  );
});

test('by turns and by shares as many are kept as there are for it', (t) => {
  for (const [by, name, share] of [
    ['turns', 'a', 1 / 3],
    ['turns', 'c', 1 / 3],
    ['shares', 'a', 1 / 6],
    ['shares', 'c', 1 / 2],
  ] as const) {
    const standing = new Standing(said({ by }), name);
    const kept = times(600, () => judge(standing, '/')).filter((verdict) => verdict === KEEPS).length;
    t.true(Math.abs(kept - 600 * share) <= 1, `${by} ${name}: ${kept}`);
  }
  const drained = new Standing(said({ by: 'turns' }), 'd');
  t.true(times(20, () => judge(drained, '/')).every((verdict) => verdict === GIVES));
});

test('a lease is for what is like it, as long as it lasts', async (t) => {
  const cases: readonly [Distribute['key'], Asked, Asked][] = [
    ['path', ['/a?x', '1', 'h'], ['/b', '1', 'h']],
    ['address', ['/b', '1', 'g'], ['/a', '2', 'h']],
    ['name', ['/b', '2', 'h'], ['/a', '1', 'g']],
  ];
  for (const [key, like, unlike] of cases) {
    const standing = new Standing(said({ by: 'lease', key }), 'a');
    t.not(judge(standing, '/a', '1', 'h'), KEEPS);
    standing.chosen(standing.key);
    t.is(judge(standing, '/a', '1', 'h'), KEEPS);
    t.is(judge(standing, ...like), KEEPS, key);
    t.not(judge(standing, ...unlike), KEEPS, key);
  }
  const short = new Standing(said({ by: 'lease', leaseMs: 1 }), 'a');
  judge(short, '/a');
  short.chosen(short.key);
  const since = performance.now();
  while (performance.now() - since < 2);
  t.not(judge(short, '/a'), KEEPS);
  for (let i = 0; i < 70_000; i++) {
    judge(short, `/${i}`);
    short.chosen(short.key);
  }
  t.pass();
});

test('where nobody could take one, nothing is asked for a while; and never where nobody else is', (t) => {
  const standing = new Standing(said({}), 'a');
  t.not(judge(standing, '/'), KEEPS);
  standing.declined();
  t.is(judge(standing, '/'), KEEPS);
  standing.moved();
  t.not(judge(standing, '/'), KEEPS);
  for (const nobody of [
    said({ deliveries: [{ name: 'a', weight: 1 }] }),
    said({ deliveries: [] }),
    said({ by: null }),
  ]) {
    const alone = new Standing(nobody, 'a');
    t.false(alone.matters);
    t.is(judge(alone, '/'), KEEPS);
  }
});
