/** Runs of docs/model/requests.pml go through the checker; what it does wrong with a check left out does not. */
import test from 'ava';
import { faultsOf, ModelTrace, printedBy, type Run } from '../../support/model-trace.ts';
import { needing } from '../../support/needs.ts';
import { counterexample, runsTo, simulate } from '../../support/simulate.ts';

const HEAD = 9;

/** It begins with two connections that the first delivery has; and a head hears that one was taken when it was. */
function runOf(stdout: string): Run {
  const trace = new ModelTrace(9);
  const take = (d: number, c: number) => {
    trace.take(d, 'take', { c, d });
    if (!trace.isKilled(HEAD)) trace.take(HEAD, 'hearTaken', { c, d });
  };
  for (const c of [0, 1]) {
    trace.take(HEAD, 'accept', { c, d: 0 });
    trace.take(HEAD, 'offer', { c, d: 0 });
    take(0, c);
    trace.take(0, 'watch', { c, d: 0 });
  }
  const emptied = new Set<number>();
  for (const [process, step, [c = 0, d = 0, ...more]] of printedBy(stdout)) {
    if (process !== HEAD) {
      if (step === 'take') take(process, c);
      else trace.take(process, step, { c, d: process, details: step === 'read' ? [d, ...more] : [] });
      continue;
    }
    // A lane of which something is taken back is empty by then.
    if (step === 'takeBack' && !emptied.has(d)) {
      emptied.add(d);
      for (const its of ['shutdown', 'emptied']) trace.take(HEAD, its, { c, d });
    }
    trace.take(HEAD, step, { c, d });
  }
  return trace.run;
}

const declare = needing(['spin', 'clang'], test);

declare('what the model does is accepted, whatever happens in it', async (t) => {
  const seen = new Set<string>();
  let still = 0;
  const accept = (stdout: string) => {
    const run = runOf(stdout);
    t.deepEqual(faultsOf(run), [], run.trace);
    for (const step of run.steps) seen.add(step);
    if (run.isStill) still++;
  };
  for (let seed = 1; seed <= 60; seed++) accept(await simulate(t, 'requests', seed));
  t.true(still > 30, `${still} came to their ends`);
  const moves = 'printf("TRACE %d finish %d\\n", d, c);';
  for (const run of await runsTo(t, 'requests', { at: moves, claim: 'false', count: 6 })) accept(run);
  const waits = 'printf("TRACE %d wait %d\\n", d, c);';
  for (const run of await runsTo(t, 'requests', { at: waits, claim: 'false', count: 6 })) accept(run);
  const words =
    'watch leaveToServer read ask wait told request response give stay finish take offer regain decline dies';
  for (const step of words.split(' ')) t.true(seen.has(step), step);
});

// Each with what a check that is left out does wrong.
for (const [without, fault] of [
  ['NO_BOUNDARY', /: ask .*: a request of it has begun/],
  [
    'NO_HOLD',
    /: (read|request|leaveToServer|give|wait|ask) .*: the delivery's is (ASKED|GIVEN)|is ASKED for ever/,
  ],
  ['NO_MISSED', /: its next request waits since/],
  ['NO_MARK', /: its next request waits since/],
  ['NO_SERVE', /: its next request waits since/],
  ['NO_REST', /: read .*: there may be more/],
  ['NO_GIVE_UP', /: its next request waits since/],
  ['MOVE_UNSAID', /is (ASKED|GIVEN) for ever/],
  ['NO_RESUME', /is (ASKED|GIVEN) for ever/],
] as const)
  declare(`and not what it does wrong with ${without}`, async (t) => {
    const run = runOf(await counterexample(t, 'requests', without));
    t.regex(faultsOf(run).join('\n'), fault, run.trace);
  });
