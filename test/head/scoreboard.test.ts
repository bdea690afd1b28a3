import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import fc from 'fast-check';
import { inspectionFailures } from '../../head/refusals.ts';
import {
  createScoreboardMemory,
  latencyBounds,
  perDelivery,
  Scoreboard,
  SLOTS,
  totals,
  WorkerCounters,
} from '../../head/scoreboard.ts';
import { modes } from '../../shared/status.ts';

const describe = (scoreboard: Scoreboard, slot: number, credits: number): void =>
  scoreboard.describe(slot, { credits, weight: 1, active: 0 });

test('a mode that one side sets is the mode that the other reads', (t) => {
  const memory = createScoreboardMemory(1);
  const [writer, reader] = [new Scoreboard(memory), new Scoreboard(memory)];
  for (const mode of modes) {
    writer.setMode(mode);
    t.is(modes[reader.mode], mode);
  }
});

test('what is said of one slot changes no other', (t) => {
  const scoreboard = new Scoreboard(createScoreboardMemory(1));
  for (let slot = 0; slot < SLOTS; slot++) {
    scoreboard.describe(slot, { credits: 100 + slot, weight: 1 + slot, active: slot });
    scoreboard.setState(slot, slot % 3);
    scoreboard.setDirectOpen(slot, 1000 * slot);
  }
  scoreboard.expectDirect(7);
  for (let slot = 0; slot < SLOTS; slot++) {
    t.deepEqual(
      [
        scoreboard.credits(slot),
        scoreboard.weight(slot),
        scoreboard.inUse(slot),
        scoreboard.state(slot),
        scoreboard.load(slot),
      ],
      [100 + slot, 1 + slot, slot, slot % 3, slot + 1000 * slot + (slot === 7 ? 1 : 0)],
    );
  }
});

test('no more credits are given than there are, and those given back are given again', (t) => {
  const scoreboard = new Scoreboard(createScoreboardMemory(1));
  scoreboard.describe(0, { credits: 5, weight: 1, active: 2 });
  t.deepEqual(
    [1, 2, 3, 4, 5].map(() => scoreboard.takeCredit(0)),
    [true, true, true, false, false],
  );
  t.is(scoreboard.inUse(0), 5);
  scoreboard.giveCredits(0, 2);
  t.deepEqual(
    [1, 2, 3].map(() => scoreboard.takeCredit(0)),
    [true, true, false],
  );
});

test('threads that ask at the same time are given each credit once', async (t) => {
  const memory = createScoreboardMemory(1);
  const scoreboard = new Scoreboard(memory);
  const credits = 20_000;
  describe(scoreboard, 3, credits);
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ Scoreboard }) => {
      const scoreboard = new Scoreboard(workerData.memory);
      let got = 0;
      for (let i = 0; i < ${credits}; i++) if (scoreboard.takeCredit(3)) got++;
      parentPort.postMessage(got);
    });`;
  const module = new URL('../../head/scoreboard.ts', import.meta.url).href;
  const threads = [1, 2, 3].map(() => new Worker(code, { eval: true, workerData: { module, memory } }));
  const got = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0] as number));
  t.is(
    got.reduce((sum, count) => sum + count, 0),
    credits,
  );
  t.is(scoreboard.inUse(3), credits);
});

test('workers count in rows that do not touch', (t) => {
  const memory = createScoreboardMemory(3);
  const rows = [0, 1, 2].map((worker) => new WorkerCounters(memory, worker));
  rows.forEach((row, worker) => {
    for (const [i, name] of totals.entries()) row.add(name, 1000 * worker + i);
    for (let slot = 0; slot < SLOTS; slot++) {
      for (const [i, name] of perDelivery.entries()) {
        row.addFor(slot, name, 10_000 * worker + 10 * slot + i);
      }
    }
    row.addLatency(worker);
  });
  for (const worker of [0, 1, 2]) {
    const row = new WorkerCounters(memory, worker);
    for (const [i, name] of totals.entries()) t.is(row.get(name), 1000 * worker + i);
    for (let slot = 0; slot < SLOTS; slot++) {
      for (const [i, name] of perDelivery.entries()) {
        t.is(row.getFor(slot, name), 10_000 * worker + 10 * slot + i);
      }
    }
    t.is(row.latency().sum, worker);
  }
});

test('clearing a slot clears that slot only', (t) => {
  const row = new WorkerCounters(createScoreboardMemory(1), 0);
  row.add('accepted', 9);
  for (const slot of [4, 5, 6]) for (const name of perDelivery) row.addFor(slot, name, slot);
  row.clearSlot(5);
  for (const slot of [4, 5, 6]) {
    for (const name of perDelivery) t.is(row.getFor(slot, name), slot === 5 ? 0 : slot);
  }
  t.is(row.get('accepted'), 9);
});

test('each latency is counted once, in the first bucket whose bound it does not exceed', (t) => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { maxLength: 50 }), (micros) => {
      const row = new WorkerCounters(createScoreboardMemory(1), 0);
      for (const value of [...micros, ...latencyBounds]) row.addLatency(value);
      const { counts } = row.latency();
      const bounds = [0, ...latencyBounds, Number.POSITIVE_INFINITY];
      const expected = [...latencyBounds, 0].map((_, bucket) => {
        const within = (value: number) =>
          value <= bounds[bucket + 1]! && (bucket === 0 || value > bounds[bucket]!);
        return [...micros, ...latencyBounds].filter(within).length;
      });
      t.deepEqual([...counts], expected);
    }),
  );
});

test('every reason that names a failure is counted among the totals', (t) => {
  for (const name of inspectionFailures) t.true(totals.includes(name));
  t.is(new Set(totals).size, totals.length);
});
