/** What is believed of a path that somebody says a connection has had. */
import test from 'ava';
import fc from 'fast-check';
import { startOf } from '../../../shared/tcp-repair/congestion.ts';

const usual = { window: 1000, roundTrip: 50_000, rate: 30_000_000, isFresh: true };
const SEGMENT = 1448;

test('a path that was used a moment ago is used as it was, an older one with half of its window', (t) => {
  // And what the kernel sends in a millisecond.
  const more = Math.ceil(30_000_000 / 1024 / SEGMENT);
  t.deepEqual(startOf(usual, SEGMENT), { window: 1000, segments: 1000 + more, rate: 30_000_000 });
  t.like(startOf({ ...usual, isFresh: false }, SEGMENT), { window: 1000, segments: 500 + more });
});

test('it is sent in a fifth of a round trip at the earliest, and in two at the latest, whatever the rate', (t) => {
  const inOne = (1000 * SEGMENT) / 0.05;
  t.is(startOf({ ...usual, rate: 0xffffffff }, SEGMENT)!.rate, 5 * inOne);
  t.is(startOf({ ...usual, rate: 0 }, SEGMENT)!.rate, inOne / 2);
});

test('no window and no round trip are nothing to begin with, and an endless one neither', (t) => {
  for (const nothing of [
    { window: 0 },
    { roundTrip: 0 },
    { roundTrip: 4_000_001 },
    { roundTrip: 0xffffffff },
  ])
    t.is(startOf({ ...usual, ...nothing }, SEGMENT), undefined);
});

test('whatever anybody says, the kernel can be told it, and no more than 4096 segments and 64 kB', (t) => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  const said = fc.record({ window: u32, roundTrip: u32, rate: u32, isFresh: fc.boolean() });
  fc.assert(
    fc.property(said, fc.integer({ min: 76, max: 65_535 }), (congestion, segment) => {
      const start = startOf(congestion, segment);
      if (!start) return;
      const more = Math.ceil(65_536 / segment);
      t.true(start.segments >= 1 && start.segments <= start.window + more && start.window <= 4096);
      t.true(Number.isInteger(start.segments) && Number.isInteger(start.rate));
      t.true(start.rate >= 1 && start.rate < 0xffffffff);
    }),
  );
});
