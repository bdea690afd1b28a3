import { closeSync, openSync, readdirSync } from 'node:fs';
import test from 'ava';
import { createShared } from '../../../head/choose/index.ts';
import { createScoreboardMemory, Scoreboard, totals, WorkerCounters } from '../../../head/scoreboard.ts';
import { rehearseOwnMoves } from '../../../head/worker/rehearsal.ts';
import { rehearseVisits } from '../../../head/worker/visits-rehearsal.ts';
import { modes } from '../../../shared/status.ts';
import { asRoot } from '../../support/netns.ts';

const rootTest = asRoot([], test.serial);

const open = () => readdirSync('/proc/self/fd').length;

const tuning = {
  ...{ policy: 'round-robin', maxConnections: 1000, backlog: 511, deferAcceptMs: 0 },
  ...{ headBytes: 16_384, headTimeoutMs: 10_000, stallTimeoutMs: 5000 },
  ...{ lingerIdleMs: 1000, lingerTotalMs: 10_000, lingerBytes: 1_000_000 },
};

for (const mode of modes)
  for (const ioUring of [true, false])
    test.serial(
      `${mode}, ${ioUring ? 'with' : 'without'} io_uring: visits are played, and nothing of them is left or counted`,
      (t) => {
        const scoreboard = createScoreboardMemory(1);
        new Scoreboard(scoreboard).setMode(mode);
        const settings = {
          ...{ index: 0, scoreboard, shared: createShared(), listeners: [], wake: -1, tuning },
          ...{ headBytesMax: 65_536, fdCapacity: 1000, mayMove: false, ioUring, rehearsesVisits: true },
        };
        // What is loaded with the first stays.
        t.true(rehearseVisits(settings) > 0);
        const before = open();
        for (let n = 0; n < 3; n++) t.true(rehearseVisits(settings) > 0);
        t.is(open(), before);
        const counted = new WorkerCounters(scoreboard, 0);
        t.deepEqual(
          totals.filter((name) => counted.get(name) !== 0),
          [],
        );
      },
    );

test.serial(
  'who has as many files open as the rehearsal has places for is not rehearsed, and loses nothing',
  (t) => {
    const files = Array.from({ length: 2500 }, () => openSync('/dev/null', 'r'));
    const before = open();
    try {
      const scoreboard = createScoreboardMemory(1);
      const played = rehearseVisits({
        ...{ index: 0, scoreboard, shared: createShared(), listeners: [], wake: -1, tuning },
        ...{ headBytesMax: 65_536, fdCapacity: 10_000, mayMove: false, ioUring: true, rehearsesVisits: true },
      });
      t.is(played, 0);
      t.is(open(), before);
    } finally {
      files.forEach(closeSync);
    }
  },
);

rootTest('a worker moves connections with itself, each to its end, and nothing of it is left', async (t) => {
  // What is loaded with the first stays.
  t.true(rehearseOwnMoves() > 0);
  const before = open();
  for (let n = 0; n < 3; n++) t.true(rehearseOwnMoves() > 0);
  t.is(open(), before);
});
