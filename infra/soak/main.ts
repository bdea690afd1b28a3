/**
 * `npm run soak -- --hours N [--rate R] [--seed S] [--on netns] [--out FOLDER]`: steady visits of several kinds to a head,
 * and a fault a minute, by the seed; what the head's memory, files and counters do meanwhile, and which visits fail. Exits 1
 * when something does not hold. An interrupt ends it early, with a report of what was seen until then.
 */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { number, whole } from '../cli/arguments.ts';
import { runTool } from '../cli/tool.ts';
import { readEnvironment } from '../lab/environment.ts';
import { labKinds } from '../lab/kinds/index.ts';
import { needReports, writeReport } from '../report/write.ts';
import { formatTable } from '../terminal/table.ts';
import { drawCharts } from './picture.ts';
import { soakReport } from './report.ts';
import { soak } from './run.ts';

interface Options {
  readonly hours: number;
  readonly rate?: number;
  readonly seed: number;
  readonly on: string;
  readonly faultEvery: number;
  readonly sampleEvery: number;
  readonly out: string;
}

const HOUR_MS = 3_600_000;
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

async function main(options: Options): Promise<void> {
  const { seed, hours, faultEvery } = options;
  const on = labKinds.find(({ name }) => name === options.on);
  if (!on || on.name === 'vagrant')
    throw new BatonError('BAD_OPTION', {
      option: '--on',
      problem: 'give loopback or netns',
      value: options.on,
    });
  await needReports(options.out);
  const environment = await readEnvironment();
  const ran = await soak({
    on,
    durationMs: hours * HOUR_MS,
    rate: options.rate,
    seed,
    faultEveryMs: faultEvery * 1000,
    sampleMs: options.sampleEvery * 1000,
    signal: interrupted.signal,
    say: (line) => console.log(line),
  });
  const report = soakReport(ran, {
    on: on.name,
    command: `npm run soak -- --hours ${hours} --rate ${Math.round(ran.rate)} --seed ${seed} --on ${on.name}`,
    complete: !interrupted.signal.aborted,
    seed,
    faultEveryMs: faultEvery * 1000,
    environment,
  });
  const files = await writeReport(report, options.out);
  const picture = files.html.replace(/html$/, 'svg');
  await writeFile(picture, drawCharts(report.charts.slice(0, 3)));
  await writeFile(files.json.replace(/json$/, 'raw.json'), JSON.stringify(ran));
  const [verdict] = report.tables;
  console.log(formatTable(verdict!.columns, verdict!.rows));
  console.log(`${files.html}\n${picture}\n${files.json}`);
  if (report.warnings.length > 0) process.exitCode = 1;
}

const command = new Command('soak')
  .requiredOption('--hours <N>', 'how long; a fraction may be given', number('--hours', 0.001, 1000))
  .option(
    '--rate <N>',
    'visits a second (default: a third of what this machine can do)',
    number('--rate', 1, 100_000),
  )
  .option('--seed <N>', 'of the arrivals and the faults', whole('--seed', 0, 2 ** 32 - 1), 1)
  .option('--on <LAB>', 'loopback or netns', 'loopback')
  .option('--fault-every <SECONDS>', 'a fault in each such stretch', number('--fault-every', 3, 3600), 60)
  .option('--sample-every <SECONDS>', 'a reading', number('--sample-every', 1, 3600), 10)
  .option('--out <FOLDER>', 'for the report', 'reports')
  .action(main);
await runTool(command);
