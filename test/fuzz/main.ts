/**
 * `npm run fuzz -- --seconds N [--target NAME] [--seed S] [--inputs N]`: gives every target inputs for so long (or so many of
 * them), each its equal share of the time; an interrupt ends it early. `--input FILE` gives one target one input again. The first input that breaks something ends
 * the run with 1: it is made small, kept in test/corpus and named. `--keep` keeps what reached new code, too, as seeds.
 * `--unguided` does without the counters of blocks, ten times faster. docs/reliability.md tells what is held of each target.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { formatTable } from '../../infra/terminal/table.ts';
import { keep, loadCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { type Failure, Fuzzer } from './fuzzer.ts';
import type { Target } from './target.ts';
import { targets } from './targets/index.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    inputs: { type: 'string' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string' },
    input: { type: 'string' },
    unguided: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const number = (text: string | undefined): number | undefined => {
  if (text === undefined || /^\d+(\.\d+)?$/.test(text)) return text === undefined ? undefined : Number(text);
  return usage(`a number, not ${JSON.stringify(text)}`);
};
const chosen = values.target ?? Object.keys(targets);
for (const name of chosen)
  if (!Object.hasOwn(targets, name)) usage(`the targets are ${Object.keys(targets).join(', ')}`);
const seed = number(values.seed) ?? Math.floor(Math.random() * 2 ** 32);
const inputs = number(values.inputs) ?? Number.POSITIVE_INFINITY;
const seconds = number(values.seconds) ?? (values.inputs === undefined ? 60 : Number.POSITIVE_INFINITY);
const TURN_MS = 500;

process.exitCode = await (values.input === undefined ? main() : again(values.input));

function usage(expected: string): never {
  console.error(`fuzz: expected ${expected}`);
  process.exit(2);
}

async function main(): Promise<number> {
  console.log(`seed ${seed}`);
  const coverage = new Coverage(!values.unguided);
  // Of refusals by the thousand nobody reads where they were made, and to find that out takes most of the time.
  Error.stackTraceLimit = 0;
  const runs: Run[] = [];
  for (const name of chosen) {
    const target = await targets[name]!();
    const kept = loadCorpus(name).map(({ bytes }) => bytes);
    runs.push({ name, target, fuzzer: new Fuzzer(target, coverage.of(target.code), kept, seed), millis: 0 });
  }
  const done = () => runs.reduce((sum, { fuzzer }) => sum + fuzzer.inputs, 0);
  const begun = performance.now();
  let failures = 0;
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      isStopped = true;
    });
  const progress = setInterval(() => console.log(`${done()} inputs so far`), 60_000);
  // They take turns, so that each has its share however long it takes.
  for (let going = runs; going.length > 0; ) {
    going = going.filter(({ failed }) => !failed);
    for (const run of going) {
      const left = Math.min(inputs - done(), begun + seconds * 1000 - performance.now());
      if (left <= 0 || isStopped) going = [];
      else if (await turn(run, inputs - done())) failures++;
    }
  }
  clearInterval(progress);
  for (const { target } of runs) await target.close?.();
  const rows = runs.map(({ name, target, fuzzer, millis }) => [
    name,
    target.about,
    String(fuzzer.inputs),
    String(Math.round((fuzzer.inputs * 1000) / Math.max(1, millis))),
    values.unguided ? '-' : `${(fuzzer.reached.share * 100).toFixed(1)} %`,
    String(fuzzer.found.length),
    mostFrequent(fuzzer.results),
  ]);
  const columns = ['target', 'reads', 'inputs', 'a second', 'code', 'new', 'what they came to'];
  console.log(formatTable(columns, rows));
  if (values.keep)
    for (const { name, fuzzer } of runs) for (const input of fuzzer.found) keep(name, 'seed', input);
  const took = (performance.now() - begun) / 1000;
  console.log(
    `${done()} inputs in ${took.toFixed(0)} s, ${failures === 0 ? 'no failure' : `${failures} failures`}`,
  );
  return failures === 0 ? 0 : 1;
}

interface Run {
  readonly name: string;
  readonly target: Target;
  readonly fuzzer: Fuzzer;
  millis: number;
  failed?: true;
}

/** True when something broke. */
async function turn(run: Run, most: number): Promise<boolean> {
  const { name, fuzzer } = run;
  const begun = performance.now();
  const before = fuzzer.inputs;
  let failure: Failure | undefined;
  while (!failure && performance.now() - begun < TURN_MS && fuzzer.inputs - before < most)
    failure = await fuzzer.run(most - (fuzzer.inputs - before));
  run.millis += performance.now() - begun;
  // Signals and timers, which awaiting what is there already keeps out.
  await setImmediate();
  if (!failure) return false;
  run.failed = true;
  tell(name, failure);
  return true;
}

function tell(name: string, { shrunk, problem }: Failure): void {
  const file = relative(process.cwd(), keep(name, 'fails', shrunk));
  console.log(`FAILS: ${name}: ${problem}`);
  console.log(
    `  ${JSON.stringify(Buffer.from(shrunk).toString('latin1').slice(0, 300))} (${shrunk.length} bytes)`,
  );
  console.log(`  kept as ${file}; again: npm run fuzz -- --target ${name} --input ${file}`);
}

async function again(file: string): Promise<number> {
  if (chosen.length !== 1) usage('--target with --input');
  const coverage = new Coverage(false);
  const target = await targets[chosen[0]!]!();
  const problem = await new Fuzzer(target, coverage.of([]), [], seed).examine(readFileSync(file));
  await target.close?.();
  console.log(problem ?? 'nothing is wrong with it');
  return problem === undefined ? 0 : 1;
}

function mostFrequent(results: ReadonlyMap<string, number>): string {
  const all = [...results].toSorted(([, one], [, other]) => other - one);
  const sum = all.reduce((total, [, count]) => total + count, 0);
  const shown = all
    .slice(0, 3)
    .map(
      ([result, n]) =>
        `${result.replace(/^the peer broke the protocol: (?:a |a message with a )?/, '').slice(0, 24)} ${((n / sum) * 100).toFixed(0)} %`,
    );
  return all.length > 3 ? `${shown.join(', ')}, ${all.length - 3} more` : shown.join(', ');
}
