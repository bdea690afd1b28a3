/** Runs of docs/model/move.pml go through the checker; what it does wrong with a check left out does not. */
import test from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';
import { needing } from '../../support/needs.ts';
import { counterexample, runsTo, simulate } from '../../support/simulate.ts';

/** In it 9 is the head, 0 and 1 are the deliveries; pids begin with 1. It has one connection. */
const HEAD = 9;
const pidOf = (process: number): number => process + 1;

interface Run {
  readonly trace: string;
  readonly killed: readonly number[];
  readonly steps: ReadonlySet<string>;
}

function runOf(stdout: string): Run {
  const lines: string[] = [];
  const killed: number[] = [];
  const steps = new Set<string>();
  const say = (process: number, ...rest: (string | number)[]) =>
    lines.push(`${lines.length} ${pidOf(process)}.0 ${rest.join(' ')}\n`);
  for (const d of [0, 1]) {
    say(HEAD, `s${d}`, 'member', pidOf(d), 9, 0, 'fd');
    say(HEAD, `l${d}`, 'open', d);
    say(d, `l${d}`, 'join', `d${d}`);
  }
  /** Of each lane: how many were offered, and which of them its delivery has. */
  const offers = [0, 0];
  const has = [0, 0];
  for (const [, who, step, lane] of stdout.matchAll(/^\s*TRACE (\d) (\w+) ?(\d?)/gm)) {
    const [process, d] = [Number(who), Number(lane)];
    steps.add(step!);
    if (step === 'dies') killed.push(pidOf(process));
    else if (step === 'accept') say(process, 'c7', step, '-', 0);
    else if (step === 'answer') say(process, 'c7', step, 'unavailable');
    else if (step === 'regain' || step === 'decline') say(process, 'c7', step, d);
    else if (step === 'shutdown' || step === 'emptied') say(process, `l${d}`, step);
    else if (step === 'hearEnded' || step === 'ended') say(process, `l${d}`, step, 1);
    else if (step === 'offer') say(process, 'c7', step, `l${d}`, offers[d]!++);
    else if (process === HEAD) {
      say(process, 'c7', step!, `l${d}`, offers[d]! - 1);
      if (step === 'hearTaken') say(process, 'c7', 'close');
    } else if (step === 'return') say(process, `l${d}`, step, offers[d]! - 1);
    else if (step === 'take' || step === 'drop') {
      say(process, `l${d}`, step, offers[d]! - 1, 'c7');
      if (step === 'take') {
        has[d] = offers[d]! - 1;
        say(process, `ad${d}-${has[d]}`, 'serve');
      }
    } else say(process, `ad${d}-${has[d]}`, step!);
  }
  return { trace: lines.join(''), killed, steps };
}

const faultsOf = ({ trace, killed }: Run): readonly string[] =>
  checkTrace(trace, { killed, running: [HEAD, 0, 1].map(pidOf) }).faults;

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
