/** Runs of docs/model/takeover.pml go through the checker; those of the model with a check left out do not. */
import test from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';
import { needing } from '../../support/needs.ts';
import { counterexample, simulate } from '../../support/simulate.ts';

interface Run {
  readonly trace: string;
  readonly killed: readonly number[];
  readonly steps: ReadonlySet<string>;
}

/** In it 1 is the predecessor and 2 the successor. Who is dead does nothing more, what it had begun to print included. */
function runOf(stdout: string): Run {
  const lines: string[] = [];
  const killed: number[] = [];
  const steps = new Set<string>();
  for (const [, who, step] of stdout.matchAll(/TRACE (\d) (\w+)/g)) {
    steps.add(step!);
    if (step === 'dies') killed.push(Number(who));
    else lines.push(`${lines.length} ${who}.0 ${step === 'end' ? '-' : 't5'} ${step}\n`);
  }
  return { trace: lines.join(''), killed, steps };
}

const faultsOf = ({ trace, killed }: Run): readonly string[] =>
  checkTrace(trace, { killed, running: [1, 2] }).faults;

const declare = needing(['spin'], test);

declare('what the model does is accepted, whoever dies and whatever is late', async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 80; seed++) {
    const budgets = { deaths: seed & 1, late: (seed >> 1) & 1 };
    const run = runOf(await simulate(t, 'takeover', seed, undefined, budgets));
    t.deepEqual(faultsOf(run), [], `seed ${seed}\n${run.trace}`);
    for (const step of run.steps) seen.add(step);
  }
  const all = 'handOver frozen depart goOn takeOver ready confirm standIn giveUp dies end';
  t.deepEqual([...seen].sort(), all.split(' ').sort());
});

// Without the others nobody accepts, or two speak for one connection, which other rules say.
for (const without of ['NO_REFUSE', 'NO_READ', 'NO_KEPT', 'NO_KILL'])
  needing(['spin', 'clang'], test)(`and not what it does wrong with ${without}`, async (t) => {
    const run = runOf(await counterexample(t, 'takeover', without));
    t.is(faultsOf(run).length, 1, run.trace);
  });
