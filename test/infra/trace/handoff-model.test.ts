/** Runs of docs/model/handoff.pml go through the checker; those of the model with a check left out do not. */
import test, { type ExecutionContext } from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';
import { needing } from '../../support/needs.ts';
import { simulate } from '../../support/simulate.ts';

/** In it 9 is the head, 0 and 1 are the deliveries; pids begin with 1. */
const HEAD = 9;
const pidOf = (process: number): number => process + 1;

interface Run {
  readonly trace: string;
  readonly killed: readonly number[];
  readonly steps: ReadonlySet<string>;
}

/** One run, its choices made by the seed, in the lines of a trace: a lane's numbers are those of its offers. */
async function runOf(t: ExecutionContext, seed: number, without?: string): Promise<Run> {
  const stdout = await simulate(t, 'handoff', seed, without);
  const lines: string[] = [];
  const killed: number[] = [];
  const steps = new Set<string>();
  const say = (process: number, ...rest: (string | number)[]) =>
    lines.push(`${lines.length} ${pidOf(process)}.0 ${rest.join(' ')}\n`);
  for (const d of [0, 1]) {
    say(HEAD, `s${d}`, 'member', pidOf(d), 2, 0, 'fd');
    say(HEAD, `l${d}`, 'open', d);
    say(d, `l${d}`, 'join', `d${d}`);
  }
  const offers = [0, 0];
  const number: [number[], number[]] = [[], []];
  for (const [, who, step, c, lane] of stdout.matchAll(/^TRACE (\d) (\w+) ?(\d?) ?(\d?)$/gm)) {
    const [process, d] = [Number(who), Number(lane)];
    steps.add(step!);
    if (step === 'dies') killed.push(pidOf(process));
    else if (step === 'accept') say(process, `c${c}`, step, '-', 0);
    else if (step === 'answer') say(process, `c${c}`, step, 'unavailable');
    else if (step === 'shutdown' || step === 'emptied') say(process, `l${d}`, step);
    else if (step === 'hearEnded' || step === 'ended') say(process, `l${d}`, step, 1);
    else if (step === 'finish') say(process, `ad${d}-${number[d]![Number(c)]}`, step);
    else if (process === HEAD) {
      if (step === 'offer') number[d]![Number(c)] = offers[d]!++;
      say(process, `c${c}`, step!, `l${d}`, number[d]![Number(c)]!);
    } else if (step === 'return') say(process, `l${d}`, step, number[d]![Number(c)]!);
    else say(process, `l${d}`, step!, number[d]![Number(c)]!, `c${c}`);
  }
  return { trace: lines.join(''), killed, steps };
}

const faultsOf = ({ trace, killed }: Run): readonly string[] =>
  checkTrace(trace, { killed, running: [HEAD, 0, 1].map(pidOf) }).faults;

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
