/** Medians and spread of a measured suite, for a terminal and for programs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { type Spread, spread } from '../statistics/median.ts';
import { formatTable } from '../terminal/table.ts';
import { type Bar, figures, type Suite } from './contender.ts';
import type { Entry, Result, Sample, Settings } from './measure.ts';
import { plot } from './plot.ts';

export interface Verdict extends Bar {
  /** The figure, subject by reference (or less it), round by round: what disturbs a whole round cancels out. */
  readonly found: Spread;
  readonly met: boolean;
}

/** Each bar of the suite, decided by the median of the rounds' ratios. */
export function judge(suite: Suite, entries: readonly Entry[]): Verdict[] {
  const subject = entries[0]!.samples;
  return suite.bars.flatMap((bar) => {
    const reference = entries.find(({ contender }) => contender.name === bar.against)?.samples;
    if (!reference) return [];
    const pairs = subject.map(
      (sample, round) => [sample[bar.figure], reference[round]![bar.figure]] as const,
    );
    const { atMost = Number.POSITIVE_INFINITY, atLeast = 0, atMostMore } = bar;
    const isMore = atMostMore !== undefined;
    const found = spread(pairs.map(([own, other]) => (isMore ? own - other : own / other)));
    const met = isMore ? found.median <= atMostMore : found.median <= atMost && found.median >= atLeast;
    return [{ ...bar, found, met }];
  });
}

/** What a bar asks for: `at most 1.00 times`. */
export function demand({ atMost, atLeast, atMostMore }: Bar): string {
  if (atMostMore !== undefined) return `at most ${atMostMore.toFixed(2)} us more than`;
  return atMost === undefined
    ? `at least ${atLeast!.toFixed(2)} times`
    : `at most ${atMost.toFixed(2)} times`;
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

type Column = readonly [title: string, cell: (samples: readonly Sample[]) => string];
const columns: readonly Column[] = [
  [
    'us/request',
    (samples) =>
      range(
        of(samples, ({ subjectCpu }) => subjectCpu),
        1,
      ),
  ],
  ['user', (samples) => of(samples, ({ user }) => user).median.toFixed(1)],
  ['system', (samples) => of(samples, ({ system }) => system).median.toFixed(1)],
  [
    'us of all',
    (samples) =>
      range(
        of(samples, ({ allCpu }) => allCpu),
        1,
      ),
  ],
  [
    'requests/s',
    (samples) =>
      range(
        of(samples, ({ rate }) => rate),
        0,
      ),
  ],
  ['busy', (samples) => percent(of(samples, ({ subjectBusy }) => subjectBusy).median)],
  ['load busy', (samples) => percent(of(samples, ({ loadBusy }) => loadBusy).median)],
];

/** Undefined where it was not measured. */
const wireOf = (samples: readonly Sample[]): Spread | undefined =>
  samples[0]?.wireBytes === undefined ? undefined : of(samples, ({ wireBytes }) => wireBytes!);

const wireColumn: Column = ['bytes on the wire', (samples) => range(wireOf(samples)!, 0)];

/** Lines for a terminal. */
export function renderTable(suite: Suite, { load, entries }: Result): string {
  // All of a suite's contenders, or none, are measured so.
  const shown = entries.every(({ samples }) => wireOf(samples)) ? [...columns, wireColumn] : columns;
  const header = [load.name, ...shown.map(([title]) => title), 'failed'];
  const rows = entries.map((entry) => [
    entry.contender.name,
    ...shown.map(([, cell]) => cell(entry.samples)),
    String(failures([entry])),
  ]);
  const verdicts = judge(suite, entries).map((verdict) => {
    const { against, figure, found, met } = verdict;
    const bar = `${met ? 'as' : 'NOT as'} the bar says: ${demand(verdict)}`;
    const [by, unit] = verdict.atMostMore === undefined ? ['/', ''] : ['less', ' us'];
    return `${figures[figure]}, ${entries[0]!.contender.name} ${by} ${against}: ${range(found, 2)}${unit}, ${bar}`;
  });
  return [formatTable(header, rows), ...verdicts].join('\n');
}

/** Writes the results below `folder`, as JSON and as a picture beside it; the paths. */
export async function writeReport(
  folder: string,
  suite: Suite,
  settings: Settings,
  results: readonly Result[],
): Promise<string[]> {
  const report = {
    about: suite.about,
    rounds: settings.rounds,
    cores: suite.apart === 'subject' ? settings.cores : 'shared by all',
    loads: results.map(({ load, entries }) => ({
      name: load.name,
      about: load.about,
      contenders: entries.map(({ contender, samples }) => ({
        name: contender.name,
        about: contender.about,
        subjectCpuMicros: of(samples, (sample) => sample.subjectCpu),
        allCpuMicros: of(samples, (sample) => sample.allCpu),
        requestsPerSecond: of(samples, (sample) => sample.rate),
        wireBytes: wireOf(samples),
        samples,
      })),
      bars: judge(suite, entries),
    })),
  };
  const path = await writeJson(folder, suite.name, report);
  const picture = path.replace(/json$/, 'svg');
  await writeFile(picture, plot(suite, results));
  return [path, picture];
}

/** Writes `bench-SUITE-TIME.json` below `folder`, with when and on what it was measured; its path. */
export async function writeJson(folder: string, suite: string, report: object): Promise<string> {
  const time = new Date().toISOString();
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version };
  await mkdir(folder, { recursive: true });
  const path = join(folder, `bench-${suite}-${time.replaceAll(/[:.]/g, '-')}.json`);
  await writeFile(path, `${JSON.stringify({ suite, time, machine, ...report }, null, 2)}\n`);
  return path;
}
