/** Reports of the same experiment held against the first of them: two days, two policies, two machines. */
import { compareSet, type Pair } from '../statistics/verdict.ts';
import { formatDifference } from '../terminal/figures.ts';
import type { Chart, Line } from './chart.ts';
import type { Case, Environment, Report, ReportComparison } from './schema.ts';
import { reported } from './schema.ts';

export const figures = ['p50', 'p99'] as const;
type Figure = (typeof figures)[number];

interface NamedReport {
  /** `A`, `B`, ... */
  readonly letter: string;
  readonly file: string;
  readonly report: Report;
}

export interface Compared {
  readonly runs: readonly NamedReport[];
  readonly answer: string;
  /** `name` is the case; `a` and `b` are letters. */
  readonly comparisons: Readonly<Record<Figure, readonly ReportComparison[]>>;
  /** What was not the same, besides the figures; a value a run. */
  readonly conditions: readonly { readonly name: string; readonly values: readonly string[] }[];
  readonly charts: readonly Chart[];
}

/** All reports are of the same experiment; at least two. */
export function compareReports(files: readonly { file: string; report: Report }[]): Compared {
  const runs = files.map((each, index) => ({ ...each, letter: String.fromCharCode(65 + index) }));
  const [first, ...others] = runs as [NamedReport, ...NamedReport[]];
  // Every figure of every run against the first is looked at, so each set has its share of the error.
  const tests = figures.length * others.length;
  const of = (figure: Figure) =>
    others.flatMap((other) => {
      const pairs = first.report.cases.flatMap((mine): Pair[] => {
        const theirs = other.report.cases.find(({ name }) => name === mine.name);
        return theirs ? [{ name: mine.name, a: perRound(mine, figure), b: perRound(theirs, figure) }] : [];
      });
      return compareSet(pairs, tests).map((found) => reported(found, first.letter, other.letter));
    });
  const comparisons = { p50: of('p50'), p99: of('p99') };
  return {
    runs,
    comparisons,
    answer: answer(runs, comparisons),
    conditions: conditions(runs),
    charts: overlay(runs),
  };
}

const perRound = ({ rounds }: Case, figure: Figure): number[] =>
  rounds.filter(({ visits }) => visits.succeeded > 0).map(({ visits }) => visits.latency[figure]);

function answer(runs: readonly NamedReport[], comparisons: Compared['comparisons']): string {
  const all = figures.flatMap((figure) => comparisons[figure].map((each) => ({ ...each, figure })));
  if (all.length === 0) return 'These reports have no case in common whose figures could be compared.';
  if (all.every(({ verdict }) => verdict === 'too few rounds')) {
    const rounds = runs.map(({ report }) => Math.max(0, ...report.cases.map((each) => each.rounds.length)));
    return `Too few rounds to call anything a difference (${rounds.join(' and ')}): run without --quick.`;
  }
  const found = all.filter(({ verdict }) => verdict === 'lower' || verdict === 'higher');
  if (found.length === 0)
    return `No difference was shown in any of ${all.length} comparisons (${figures.join(' and ')} of each case).`;
  const largest = found.toSorted(
    (one, other) => Math.abs(other.differenceMicros) - Math.abs(one.differenceMicros),
  )[0]!;
  return `${found.length} of ${all.length} comparisons show a difference; the largest: ${largest.figure} of ${largest.name} is ${formatDifference(largest.differenceMicros)} in ${largest.b} against ${largest.a} (95 % interval ${formatDifference(largest.lowMicros)} to ${formatDifference(largest.highMicros)}).`;
}

function conditions(runs: readonly NamedReport[]): Compared['conditions'] {
  const all = runs.map(({ report }) => flatten(report));
  const names = [...new Set(all.flatMap((values) => Object.keys(values)))];
  return names
    .map((name) => ({ name, values: all.map((values) => values[name] ?? '-') }))
    .filter(({ values }) => new Set(values).size > 1);
}

function flatten({ environment, parameters }: Report): Record<string, string> {
  const { versions, sysctls, loadAverage, ...rest }: Environment = environment;
  return Object.fromEntries(
    Object.entries({
      ...rest,
      'load average at the start': loadAverage.toFixed(2),
      ...versions,
      ...sysctls,
      ...parameters,
    }).map(([name, value]) => [name, String(value)]),
  );
}

/** The measured lines of plots that every run has, in one; later runs are dashed. */
function overlay(runs: readonly NamedReport[]): Chart[] {
  return runs[0]!.report.charts.flatMap((chart) => {
    const same = runs.map(({ report }) => report.charts.find(({ title }) => title === chart.title));
    if (same.includes(undefined) || chart.events.length > 0) return [];
    const lines = same.flatMap((each, index) =>
      each!.lines
        .filter(({ kind }) => kind !== 'model')
        .map((line): Line => ({ ...line, name: `${runs[index]!.letter}: ${line.name}`, run: index })),
    );
    return [{ ...chart, lines }];
  });
}
