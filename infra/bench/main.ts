/**
 * What a connection costs at the head, side by side: `npm run bench`, `npm run bench -- handoff delivery --quick`.
 * The load is only ever sent to 127.0.0.1, or stays in network namespaces that the bench made. How the figures come about is
 * told in measure.ts and cpu.ts.
 */
import { Command, CommanderError } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { choice, number, whole } from '../cli/arguments.ts';
import { spread } from '../statistics/median.ts';
import { figures, type Suite } from './contender.ts';
import { chooseCores } from './cpu.ts';
import {
  burstLoad,
  keepaliveLoad,
  largeLoad,
  loadNames,
  rareLoads,
  requestsLoad,
  silentBurstLoad,
  steadyLoad,
  warmUpLoad,
} from './loads.ts';
import { measureSuite, type Settings } from './measure.ts';
import { measureMemory } from './memory.ts';
import { type MoveSample, measureMoves, RATES } from './moves.ts';
import { demand, failures, judge, renderTable, writeJson, writeReport } from './report.ts';
import { openStage } from './stage.ts';
import { suites } from './suites.ts';

interface Options {
  readonly quick?: true;
  readonly check?: true;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly concurrent: number;
  readonly load?: string;
  readonly only?: string[];
  readonly beside?: string;
  readonly out: string;
}

const interrupted = new AbortController();

async function main(names: string[], options: Options): Promise<void> {
  const chosen =
    names.length === 0 ? suites : names.filter((name) => !Object.hasOwn(apart, name)).flatMap(findSuites);
  for (const [name, run] of Object.entries(apart)) if (names.includes(name)) await run(options);
  if (chosen.length > 0) await runSuites(new Set(chosen), options);
}

async function runSuites(chosen: ReadonlySet<Suite>, options: Options): Promise<void> {
  const cores = await chooseCores();
  const seconds = options.seconds ?? (options.quick ? 0.5 : 2);
  const loads = [
    steadyLoad(options.concurrent, seconds),
    burstLoad(options.quick ? 1 : 4),
    silentBurstLoad(options.quick ? 1 : 4),
    keepaliveLoad(options.concurrent, seconds),
    requestsLoad(options.concurrent, seconds),
    largeLoad(seconds),
    // A hundred connections say nothing.
    ...rareLoads(Math.max(2, 2 * seconds)),
  ];
  const settings: Settings = {
    rounds: options.rounds ?? (options.quick ? 3 : 5),
    loads: options.load ? loads.filter(({ name }) => name === options.load) : loads,
    warmUp: warmUpLoad(options.concurrent, options.quick ? 3000 : 80_000, 10),
    cores,
  };
  for (const suite of chosen) {
    await runSuite(beside(only(suite, options.only), options.beside), settings, options);
  }
}

async function runSuite(suite: Suite, settings: Settings, options: Options): Promise<void> {
  const stage = await openStage(interrupted.signal);
  try {
    console.log(`\n${suite.name}: ${suite.about}`);
    const results = await measureSuite(suite, stage, settings, (round, { load, entries }) => {
      const figure = suite.apart === 'subject' ? 'subjectCpu' : 'allCpu';
      const costs = entries.map(
        ({ contender, samples }) => `${contender.name} ${samples.at(-1)![figure].toFixed(1)}`,
      );
      console.log(`  ${load.name} ${round}/${settings.rounds}, us/request: ${costs.join(', ')}`);
    });
    for (const result of results) console.log(`\n${renderTable(suite, result)}`);
    console.log(`\nwritten to ${(await writeReport(options.out, suite, settings, results)).join(' and ')}`);
    for (const { load, entries } of results) {
      decide(`${suite.name}, ${load.name} load`, failures(entries), judge(suite, entries), options);
    }
  } finally {
    await stage.close();
  }
}

/** Megabytes of the head that 10,000 open connections may cost. */
const HEAD_MEGABYTES_PER_10K = 1;

async function runMemory(options: Options): Promise<void> {
  const stage = await openStage(interrupted.signal);
  try {
    console.log('\nmemory: RSS in kB with connections that stay open; `server` accepted as many itself');
    const samples = await measureMemory(stage, options.quick ? 10_000 : 50_000, (sample) =>
      console.log(`  ${JSON.stringify(sample)}`),
    );
    const first = samples[0]!;
    const last = samples.at(-1)!;
    const each = (who: 'head' | 'delivery' | 'server') =>
      (last[who] - first[who]) / (who === 'head' ? last.connections : last.each);
    for (const who of ['head', 'delivery', 'server'] as const)
      console.log(`${who}: ${each(who).toFixed(2)} kB for each connection`);
    console.log(`written to ${await writeJson(options.out, 'memory', { samples })}`);
    const problem = `the head grows by more than ${HEAD_MEGABYTES_PER_10K} MB for 10,000 connections`;
    if (options.check && each('head') * 10_000 > HEAD_MEGABYTES_PER_10K * 1024) complain(problem);
  } finally {
    await stage.close();
  }
}

/** A move takes so many times what a byte there and back takes, at most. */
const MOVE_OF_PING = 3;

async function runMoves(options: Options): Promise<void> {
  const stage = await openStage(interrupted.signal);
  try {
    console.log(
      '\nmoves: from freeze to *adopted* beside a byte there and back between the same hosts in C, us',
    );
    const settings = {
      rounds: options.rounds ?? (options.quick ? 1 : 5),
      seconds: options.seconds ?? (options.quick ? 1 : 4),
    };
    const samples = await measureMoves(stage, settings, ({ rate, ping, move }) =>
      console.log(
        `  ${rate}/s: C ${ping.p50.toFixed(0)}, a move ${move.p50.toFixed(0)} (mean ${move.mean.toFixed(0)}, ${move.count} of them)`,
      ),
    );
    for (const rate of RATES)
      tellMoves(
        rate,
        samples.filter((sample) => sample.rate === rate),
        options,
      );
    console.log(`written to ${await writeJson(options.out, 'moves', { samples })}`);
  } finally {
    await stage.close();
  }
}

function tellMoves(rate: number, samples: readonly MoveSample[], options: Options): void {
  const { median, min, max } = spread(samples.map(({ move, ping }) => move.p50 / ping.p50));
  const times = `${median.toFixed(2)} (${min.toFixed(2)}..${max.toFixed(2)})`;
  console.log(`${rate} a second: ${times} times, bar ${MOVE_OF_PING}`);
  const failed = samples.reduce((sum, sample) => sum + sample.failed, 0);
  if (failed > 0) complain(`${failed} connections failed at ${rate} a second, so the figures are not valid`);
  if (options.check && !(median <= MOVE_OF_PING)) complain(`at ${rate} a second a move takes ${times} pings`);
}

/** What is no comparison of contenders, by name. */
const apart: Readonly<Record<string, (options: Options) => Promise<void>>> = {
  memory: runMemory,
  moves: runMoves,
};

function complain(problem: string): void {
  const error = new BatonError('LIMIT_EXCEEDED', { problem });
  console.error(error.message);
  process.exitCode = error.exitCode;
}

/** Wrong answers make a comparison worthless; a bar that is not met fails the run only when that was asked for. */
function decide(what: string, failed: number, verdicts: ReturnType<typeof judge>, options: Options): void {
  const problems = verdicts
    .filter(({ met }) => options.check && !met)
    .map((verdict) => `${what}: ${figures[verdict.figure]} is not ${demand(verdict)} ${verdict.against}`);
  if (failed > 0) problems.unshift(`${what}: ${failed} connections failed, so the figures are not valid`);
  problems.forEach(complain);
}

/** `tls` is `tls-small` and `tls-path` as well. */
function findSuites(name: string): readonly Suite[] {
  const found = suites.filter((suite) => suite.name === name || suite.name.startsWith(`${name}-`));
  if (found.length > 0) return found;
  const known = [...suites.map((candidate) => candidate.name), ...Object.keys(apart)].join(', ');
  throw new BatonError('BAD_OPTION', { option: 'NAME', problem: `the suites are ${known}`, value: name });
}

function only(suite: Suite, names: readonly string[] | undefined): Suite {
  if (!names) return suite;
  const contenders = suite.contenders.filter((contender) => names.includes(contender.name));
  // The bars are about the first one: without it there is nothing to judge.
  const bars = contenders[0] === suite.contenders[0] ? suite.bars : [];
  if (contenders.length > 0) return { ...suite, contenders, bars };
  const known = suite.contenders.map((contender) => contender.name).join(', ');
  const problem = `the contenders of ${suite.name} are ${known}`;
  throw new BatonError('BAD_OPTION', { option: '--only', problem, value: names.join(' ') });
}

/** Two runs of the same differ by so much: a change that costs more is one. */
const SAME = 1.03;

/** With the Baton of another folder, to see in one run what a change costs. */
function beside(suite: Suite, checkout: string | undefined): Suite {
  const [first, ...others] = suite.contenders;
  const other = checkout === undefined ? undefined : first!.of?.(checkout);
  if (!other) return suite;
  const name = 'beside';
  const figure = suite.apart === 'subject' ? 'subjectCpu' : 'allCpu';
  return {
    ...suite,
    contenders: [first!, { ...other, name, about: `the same in ${checkout}` }, ...others],
    bars: [...suite.bars, { figure, against: name, atMost: SAME }],
  };
}

const command = new Command('bench')
  .description('Measures what a connection costs, beside C references, node:cluster, nginx and HAProxy.')
  .argument(
    '[NAME...]',
    `these suites: ${[...suites.map(({ name }) => name), ...Object.keys(apart)].join(', ')}`,
  )
  .option('--quick', 'fewer and shorter rounds, for a first look')
  .option('--check', 'exit with 3 when a bar is not met')
  .option('--rounds <N>', 'samples of each contender', whole('--rounds', 1, 100))
  .option('--seconds <N>', 'load in each sample', number('--seconds', 0.1, 60))
  .option('--concurrent <N>', 'connections at a time', whole('--concurrent', 1, 10_000), 64)
  .addOption(choice('--load <NAME>', 'only this kind of load', loadNames))
  .option('--only <NAME...>', 'only these contenders')
  .option('--beside <FOLDER>', 'with the Baton that was checked out there (not in `migrate`)')
  .option('--out <FOLDER>', 'where the JSON report goes', 'reports')
  .exitOverride()
  .action(main);

// Listeners that stay: execa has listeners of its own, which end this process at once when they are the only ones.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => (interrupted.signal.aborted ? process.exit(130) : interrupted.abort()));
}

try {
  await command.parseAsync();
} catch (error) {
  if (interrupted.signal.aborted) process.exitCode = 130;
  else if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof BatonError) {
    console.error(error.message);
    process.exitCode = error.exitCode;
  } else throw error;
}
