/**
 * `npm run chaos -- --minutes N --seed S [--on netns|loopback|two-heads] [--rate R]`: random faults under visits with ids of their
 * own, and whether each visit ended as it may (costs.ts). In runs of `--each` minutes, each with a seed of its own. When something
 * is wrong it exits 1, and has looked for a smaller schedule that still fails: `--schedule FILE` runs one. What a run has
 * written is kept when something is wrong, or with `--keep`: `--again FOLDER` judges it again, by the rules of then.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { choice, number, whole } from '../cli/arguments.ts';
import { runTool } from '../cli/tool.ts';
import { judgeAgain, type Outcome } from './judge.ts';
import { type ChaosKind, kinds, placesOf } from './labs.ts';
import { runChaos } from './run.ts';
import { makeSchedule, type Schedule, scheduleSchema } from './schedule.ts';
import { shrink } from './shrink.ts';

interface Options {
  readonly minutes: number;
  readonly each: number;
  readonly seed?: number;
  readonly on: ChaosKind;
  readonly rate: number;
  readonly schedule?: string;
  readonly shrink: number;
  readonly out: string;
  readonly keep?: true;
  readonly again?: string;
}

const SHOWN = 12;
const counts = new Map<string, number>();
const count = (of: string, by = 1) => counts.set(of, (counts.get(of) ?? 0) + by);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
const { signal } = interrupted;

async function main(options: Options): Promise<void> {
  if (options.again !== undefined) {
    if (tell(judgeAgain(options.again)).violations.length > 0) process.exitCode = 1;
    return;
  }
  if (options.schedule !== undefined) {
    const schedule = scheduleSchema.parse(JSON.parse(readFileSync(options.schedule, 'utf8')));
    if ((await run(schedule, options)).violations.length > 0) process.exitCode = 1;
    return;
  }
  const first = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const eachMs = options.each * 60_000;
  let left = options.minutes * 60_000;
  for (let seed = first; left > 0 && !signal.aborted; seed++, left -= eachMs) {
    const schedule = makeSchedule(seed, Math.min(eachMs, left), placesOf(options.on));
    try {
      const outcome = await run(schedule, options);
      if (outcome.violations.length > 0) await tellFailure(schedule, options);
    } catch (error) {
      // No run, and no minute of chaos.
      if (!(error instanceof BatonError) || signal.aborted) throw error;
      console.log(`seed ${seed}: ${error.message}`);
      process.exitCode = 1;
    }
  }
}

async function run(schedule: Schedule, options: Options): Promise<Outcome> {
  const keep = join(options.out, `seed-${schedule.seed}-${schedule.faults.length}-faults`);
  const { on, rate, keep: keepsAll = false } = options;
  return tell(await runChaos(schedule, { on, rate, signal, keep, keepsAll }));
}

function tell(outcome: Outcome): Outcome {
  const { asked, succeeded, moved, allowed, happened, violations, schedule } = outcome;
  const failed = sum(allowed);
  console.log(
    `seed ${schedule.seed}: ${happened.length} faults, ${asked} requests, ${succeeded} answered, ${sum(moved)} moved, ${failed} failed as they may, ${violations.length} violations`,
  );
  for (const [row, visits] of allowed) console.log(`  ${visits} ${row}`);
  for (const { kind } of happened) count(kind);
  for (const [way, times] of moved) count(`moved from ${way}`, times);
  for (const [of, by] of Object.entries({
    runs: 1,
    requests: asked,
    answered: succeeded,
    allowed: failed,
  }))
    count(of, by);
  for (const violation of violations.slice(0, SHOWN)) console.log(`  VIOLATION ${violation}`);
  return outcome;
}

const sum = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((all, one) => all + one, 0);

async function tellFailure(schedule: Schedule, options: Options): Promise<void> {
  process.exitCode = 1;
  const fails = async (smaller: Schedule) =>
    !signal.aborted && (await run(smaller, options)).violations.length > 0;
  const smallest = await shrink(schedule, fails, options.shrink);
  const file = join(options.out, `seed-${schedule.seed}.json`);
  await mkdir(options.out, { recursive: true });
  writeFileSync(file, `${JSON.stringify(smallest, null, 1)}\n`);
  console.log(`  the smallest schedule that failed has ${smallest.faults.length} faults; again:`);
  console.log(`  npm run chaos -- --on ${options.on} --rate ${options.rate} --schedule ${file}`);
}

const command = new Command('chaos')
  .option('--minutes <N>', 'how long, all runs together', number('--minutes', 0.1, 10_000), 1)
  // Long enough for faults to meet, short enough to be run again.
  .option('--each <N>', 'minutes of a run', number('--each', 0.1, 600), 1)
  .option('--seed <N>', 'of the first run; the next one has the next', whole('--seed', 0, 2 ** 31))
  .addOption(choice('--on <LAB>', 'where', kinds).default('netns'))
  .option('--rate <N>', 'visits a second', number('--rate', 1, 10_000), 60)
  .option('--schedule <FILE>', 'run this one, once')
  .option('--shrink <N>', 'runs that may be spent on a smaller schedule', whole('--shrink', 0, 100), 6)
  .option('--out <FOLDER>', 'for what failed', 'reports/chaos')
  .option('--keep', 'what has not failed as well')
  .option('--again <FOLDER>', 'judge what was kept there')
  .action(main);
await runTool(command);
console.log([...counts].map(([of, number]) => `${of} ${number}`).join(', '));
