/** Runs of docs/model/handoff.pml go through the checker; those of the model with a check left out do not. */
import test, { type ExecutionContext } from 'ava';
import { faultsOf, ModelTrace, type Run, readRun } from '../../support/model-trace.ts';
import { needing } from '../../support/needs.ts';
import { simulate } from '../../support/simulate.ts';

/** One run, its choices made by the seed. */
async function runOf(t: ExecutionContext, seed: number, without?: string): Promise<Run> {
  const stdout = await simulate(t, 'handoff', seed, without);
  return readRun(stdout, new ModelTrace(2), ([c, d]) => ({ c: c!, d: d! }));
}

const declare = needing(['spin'], test);

declare('what the model does is accepted, whatever happens in it', async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const run = await runOf(t, seed);
    t.deepEqual(faultsOf(run), [], `seed ${seed}\n${run.trace}`);
    for (const step of run.steps) seen.add(step);
  }
  const all =
    'accept offer answer hearTaken hearReturned hearEnded takeBack shutdown emptied dies take drop return ended finish';
  t.deepEqual([...seen].sort(), all.split(' ').sort());
});

for (const without of ['NO_SHUTDOWN', 'NO_READ', 'SERVE_UNSAID']) {
  declare(`and not what it does with ${without}`, async (t) => {
    for (let seed = 1; ; seed++) {
      if (seed > 300) throw new Error('three hundred runs were accepted');
      if (faultsOf(await runOf(t, seed, without)).length > 0) break;
    }
    t.pass();
  });
}
