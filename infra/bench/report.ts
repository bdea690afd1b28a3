/** Medians and spread of a measured suite, for a terminal and for programs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import type { Bar, Suite } from './contender.ts';
import type { Entry, Result, Sample, Settings } from './measure.ts';

/** Of the rounds: their median, and the least and the most. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** `values` must not be empty. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

export interface Verdict extends Bar {
  /** CPU per connection, subject by reference, round by round: what disturbs a whole round cancels out. */
  readonly ratio: Spread;
  readonly met: boolean;
}

/** Each bar of the suite, decided by the median of the rounds' ratios. */
export function judge(suite: Suite, entries: readonly Entry[]): Verdict[] {
  const subject = entries[0]!.samples;
  return suite.bars.flatMap((bar) => {
    const reference = entries.find(({ contender }) => contender.name === bar.against)?.samples;
    if (!reference) return [];
    const ratio = spread(subject.map(({ cpu }, round) => cpu / reference[round]!.cpu));
    return [{ ...bar, ratio, met: ratio.median <= bar.atMost }];
  });
}

/** Connections that got no right answer, in all. */
export function failures(entries: readonly Entry[]): number {
  return entries
    .flatMap(({ samples }) => samples.flatMap(({ failed }) => Object.values(failed)))
    .reduce((sum, count) => sum + count, 0);
}

const of = (samples: readonly Sample[], field: (sample: Sample) => number) => spread(samples.map(field));
const range = ({ median, min, max }: Spread, digits: number) =>
  `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`;
const percent = (share: number) => `${(share * 100).toFixed(0)}%`;

/** Lines for a terminal. */
export function renderTable(suite: Suite, { load, entries }: Result): string {
  const header = [
    load.name,
    'us/connection',
    'user',
    'system',
    'connections/s',
    'head busy',
    'load busy',
    'failed',
  ];
  const rows = entries.map(({ contender, samples }) => [
    contender.name,
    range(
      of(samples, (sample) => sample.cpu),
      1,
    ),
    of(samples, (sample) => sample.user).median.toFixed(1),
    of(samples, (sample) => sample.system).median.toFixed(1),
    range(
      of(samples, (sample) => sample.connectionsPerSecond),
      0,
    ),
    percent(of(samples, (sample) => sample.headBusy).median),
    percent(of(samples, (sample) => sample.loadBusy).median),
    String(failures([{ contender, samples }])),
  ]);
  const verdicts = judge(suite, entries).map(({ against, atMost, ratio, met }) => {
    const bar = `${met ? 'within' : 'ABOVE'} the bar of ${atMost.toFixed(2)}`;
    return `${entries[0]!.contender.name} / ${against}: ${range(ratio, 2)}, ${bar}`;
  });
  return [...columns([header, ...rows]), ...verdicts].join('\n');
}

/** The first column to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
  );
}

/** Writes `reports/bench-SUITE-TIME.json` below `folder`; its path. */
export async function writeReport(
  folder: string,
  suite: Suite,
  settings: Settings,
  results: readonly Result[],
): Promise<string> {
  const time = new Date().toISOString();
  const report = {
    suite: suite.name,
    about: suite.about,
    time,
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version },
    rounds: settings.rounds,
    cores: settings.cores,
    loads: results.map(({ load, entries }) => ({
      name: load.name,
      about: load.about,
      contenders: entries.map(({ contender, samples }) => ({
        name: contender.name,
        about: contender.about,
        cpuMicrosPerConnection: of(samples, (sample) => sample.cpu),
        userMicrosPerConnection: of(samples, (sample) => sample.user),
        systemMicrosPerConnection: of(samples, (sample) => sample.system),
        connectionsPerSecond: of(samples, (sample) => sample.connectionsPerSecond),
        samples,
      })),
      bars: judge(suite, entries),
    })),
  };
  await mkdir(folder, { recursive: true });
  const path = join(folder, `bench-${suite.name}-${time.replaceAll(/[:.]/g, '-')}.json`);
  await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  return path;
}
