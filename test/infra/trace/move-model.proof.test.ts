/** Runs of docs/model/move.pml go through the checker; what it does wrong with a check left out does not. */
import test from 'ava';
import { faultsOf, ModelTrace, readRun } from '../../support/model-trace.ts';
import { needing } from '../../support/needs.ts';
import { counterexample, runsTo, simulate } from '../../support/simulate.ts';

/** It has one connection. */
const runOf = (stdout: string) => readRun(stdout, new ModelTrace(9), ([d]) => ({ c: 7, d: d! }));

needing(['spin', 'clang'], test)('what the model does is accepted, whatever happens in it', async (t) => {
  const seen = new Set<string>();
  const accept = (stdout: string) => {
    const run = runOf(stdout);
    t.deepEqual(faultsOf(run), [], run.trace);
    for (const step of run.steps) seen.add(step);
  };
  for (let seed = 1; seed <= 20; seed++) accept(await simulate(t, 'move', seed));
  // Those in which it stays after all; and those in which it comes to the head again, to their ends.
  const stays = 'printf("TRACE %d stay %d\\n", d, d);';
  for (const run of await runsTo(t, 'move', { at: stays, claim: 'false', count: 6 })) accept(run);
  const isOver = 'assert(!isOpen && came == outcomes);';
  for (const run of await runsTo(t, 'move', { at: isOver, claim: 'came < 2', count: 12 })) accept(run);
  for (const step of 'accept offer take hearTaken give regain decline stay ended finish dies'.split(' '))
    t.true(seen.has(step), step);
});

for (const without of ['NO_WORDS', 'NO_LANE_FIRST'])
  needing(['spin', 'clang'], test)(`and not what it does wrong with ${without}`, async (t) => {
    const run = runOf(await counterexample(t, 'move', without));
    t.true(faultsOf(run).length > 0, run.trace);
  });
