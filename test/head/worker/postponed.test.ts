import test from 'ava';
import type { Connections } from '../../../head/worker/connections.ts';
import { createLinks } from '../../../head/worker/fifo.ts';
import { Postponed } from '../../../head/worker/postponed.ts';

function queue(longestMs: number) {
  const acted: [number, number][] = [];
  const connections = {
    links: createLinks(8),
    acceptedAt: new Float64Array(8),
    setState() {},
    rest() {},
  } as unknown as Connections;
  const postponed = new Postponed(
    connections,
    { headTimeoutMs: longestMs },
    (fd, from) => void acted.push([fd, from]),
  );
  return { postponed, acted };
}

test('those that wait are acted on again together, when the first of their deliveries is due', (t) => {
  const { postponed, acted } = queue(10_000);
  t.true(postponed.add(1, 100, 0));
  t.true(postponed.add(2, 50, 0));
  t.is(postponed.tick(20), 30);
  t.deepEqual(acted, []);
  t.is(postponed.tick(50), Number.POSITIVE_INFINITY);
  t.deepEqual(acted, [
    [1, -1],
    [2, -1],
  ]);
});

test('a time that was waited for ends with the one that waited for it', (t) => {
  const { postponed, acted } = queue(10_000);
  postponed.add(1, 100, 0);
  postponed.leave(1);
  postponed.add(2, 500, 60);
  t.is(postponed.tick(200), 300);
  t.deepEqual(acted, []);
});

test('nobody waits for longer than since it was accepted it may, nor much longer when the head stops', (t) => {
  const { postponed, acted } = queue(1000);
  t.true(postponed.add(1, 5000, 0));
  t.is(postponed.tick(400), 600);
  postponed.tick(1000);
  t.deepEqual(acted, [[1, -2]]);
  t.false(postponed.add(2, 5000, 1000));
});
