import test, { type ExecutionContext } from 'ava';
import { createWire, encodeLink, type Link } from '../../../infra/lab/delay/wire.ts';

interface Frames {
  readonly count: number;
  readonly length: number;
  readonly everyMicros: number;
  readonly slots?: number;
}

/** Microseconds that each frame of a steady stream takes; -1 for one that is lost. */
function pass(t: ExecutionContext, link: Link, { count, length, everyMicros, slots }: Frames): number[] {
  const wire = createWire(encodeLink(link), 7, slots ?? 16_384);
  t.teardown(async () => wire.memory.free());
  const took: number[] = [];
  const inside: number[] = [];
  const letOut = (now: number) => {
    for (; wire.nextMicros <= now; wire.leave()) {
      const frame = inside.shift()!;
      t.is(wire.memory.view.getUint32(wire.exit), frame);
      t.is(wire.exitLength, length);
      took[frame] = wire.nextMicros - frame * everyMicros;
    }
  };
  for (let frame = 0; frame < count; frame++) {
    letOut(frame * everyMicros);
    took.push(-1);
    if (wire.entry < 0) continue;
    wire.memory.view.setUint32(wire.entry, frame);
    if (wire.enter(length, frame * everyMicros)) inside.push(frame);
  }
  letOut(Number.MAX_VALUE);
  t.is(inside.length, 0);
  t.is(wire.nextMicros, Number.POSITIVE_INFINITY);
  return took;
}

test('a frame leaves after the delay, and without one at once', (t) => {
  const steady = { count: 3, length: 100, everyMicros: 200 };
  t.deepEqual(pass(t, { delayMs: 10 }, steady), [10_000, 10_000, 10_000]);
  t.deepEqual(pass(t, {}, steady), [0, 0, 0]);
});

test('a slow link sends one frame after the other, and drops what would wait too long', (t) => {
  // 1226 + 24 bytes at 10 Mbit/s are 1 ms.
  const took = pass(t, { delayMs: 5, rateMbit: 10 }, { count: 300, length: 1226, everyMicros: 500 });
  t.deepEqual(took.slice(0, 3), [6000, 6500, 7000]);
  const longest = Math.max(...took);
  t.true(longest > 105_000 && longest <= 106_000, String(longest));
  // Twice as many come as pass, once the queue is full.
  t.true(took.slice(-50).filter((time) => time < 0).length >= 24);
});

test('frames are lost at random, as many as asked, and the same ones every time', (t) => {
  const many = { count: 20_000, length: 64, everyMicros: 10 };
  const lost = (took: number[]) => took.flatMap((time, frame) => (time < 0 ? [frame] : []));
  const first = lost(pass(t, { lossPercent: 1 }, many));
  t.true(first.length > 150 && first.length < 250, String(first.length));
  t.deepEqual(lost(pass(t, { lossPercent: 1 }, many)), first);
});

test('a link that holds all it can takes no more until some have left', (t) => {
  const took = pass(t, { delayMs: 1 }, { count: 12, length: 64, everyMicros: 100, slots: 4 });
  t.deepEqual(took, [1000, 1000, 1000, 1000, -1, -1, -1, -1, -1, -1, 1000, 1000]);
});

/** The order in which frames come out, each by its number. */
function order(t: ExecutionContext, link: Link, count: number): number[] {
  const wire = createWire(encodeLink(link), 7, 1024);
  t.teardown(async () => wire.memory.free());
  for (let frame = 0; frame < count; frame++) {
    wire.memory.view.setUint32(wire.entry, frame);
    wire.enter(60 + frame, frame * 10);
  }
  const out: number[] = [];
  for (; wire.nextMicros < Number.POSITIVE_INFINITY; wire.leave()) {
    const frame = wire.memory.view.getUint32(wire.exit);
    t.is(wire.exitLength, 60 + frame, 'with its own length');
    out.push(frame);
  }
  return out;
}

test('frames come twice, and nothing else does', (t) => {
  const out = order(t, { delayMs: 10, duplicatePercent: 20 }, 200);
  t.deepEqual(
    [...new Set(out)],
    Array.from({ length: 200 }, (_, frame) => frame),
  );
  t.true(out.length > 220 && out.length < 260, `${out.length}`);
});

test('frames overtake the one before them while that is under way, and none is lost', (t) => {
  const out = order(t, { delayMs: 10, reorderPercent: 20 }, 200);
  const sorted = out.toSorted((one, other) => one - other);
  t.deepEqual(
    sorted,
    Array.from({ length: 200 }, (_, frame) => frame),
  );
  const moved = out.filter((frame, place) => frame !== place).length;
  t.true(moved > 40 && moved < 120, `${moved}`);
});
