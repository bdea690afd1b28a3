/** What experiments make of the cases of a grid: comparisons, a plot over the axis, a table, and phrases. */
import type { Chart, Line, Table } from '../../report/chart.ts';
import type { Case, ReportComparison } from '../../report/schema.ts';
import { reported } from '../../report/schema.ts';
import { compareSet } from '../../statistics/verdict.ts';
import { formatMicros } from '../../terminal/figures.ts';
import { isHandoff } from './ways.ts';

export const waysIn = (cases: readonly Case[]): string[] => [...new Set(cases.map(({ way }) => way))];

export const findCase = (cases: readonly Case[], way: string, x: number | null): Case | undefined =>
  cases.find((each) => each.way === way && each.x === x);

/** Median over the rounds of p50, microseconds; undefined when no visit succeeded. */
export const p50Of = (each: Case | undefined): number | undefined =>
  each?.summary && each.summary.latency.count > 0 ? each.summary.p50.median : undefined;

/** p50 of each round. */
const p50s = ({ rounds }: Case): number[] =>
  rounds.filter(({ visits }) => visits.succeeded > 0).map(({ visits }) => visits.latency.p50);

/** Every handoff against the redirect and against the direct way, and the 201 against the 307. */
export function compareWays(
  cases: readonly Case[],
  labelOf: (x: number | null) => string,
): ReportComparison[] {
  const ways = waysIn(cases);
  const pairs = ways
    .filter(isHandoff)
    .flatMap((handoff): [string, string][] => [
      ['redirect', handoff],
      ['direct', handoff],
    ])
    .concat(ways.includes('created') ? [['redirect', 'created']] : [])
    .filter(([a, b]) => ways.includes(a) && ways.includes(b));
  const xs = [...new Set(cases.map(({ x }) => x))];
  return pairs.flatMap(([a, b]) => {
    const set = xs.flatMap((x) => {
      const [one, other] = [findCase(cases, a, x), findCase(cases, b, x)];
      return one && other ? [{ name: labelOf(x), a: p50s(one), b: p50s(other) }] : [];
    });
    return compareSet(set, pairs.length).map((found) => reported(found, a, b));
  });
}

export interface LatencyChart {
  readonly title: string;
  readonly lead: string;
  readonly x: Chart['x'];
  readonly yTitle: string;
  readonly yLog?: boolean;
  /** What a case's figure is divided by. Default 1. */
  readonly per?: (x: number) => number;
  readonly models?: readonly Line[];
}

/** Medians of each way over the axis, with their intervals, in milliseconds. */
export function latencyChart(cases: readonly Case[], chart: LatencyChart): Chart {
  const per = chart.per ?? (() => 1);
  const lines = waysIn(cases).map(
    (way): Line => ({
      name: way,
      way,
      kind: 'measured',
      points: cases.flatMap(({ way: own, x, summary }) => {
        if (own !== way || x === null || !summary || summary.latency.count === 0) return [];
        const scale = 1000 * per(x);
        const { median, low, high } = summary.p50;
        return [{ x, y: median / scale, low: low / scale, high: high / scale }];
      }),
    }),
  );
  return {
    title: chart.title,
    lead: chart.lead,
    x: chart.x,
    y: { title: chart.yTitle, unit: 'ms', log: chart.yLog ?? false },
    lines: [...(chart.models ?? []), ...lines],
    events: [],
  };
}

/** A row for each place on the axis, a column for each way. */
export function pivotTable(
  cases: readonly Case[],
  title: string,
  lead: string,
  first: string,
  labelOf: (x: number) => string,
  cell: (each: Case) => string = p50WithInterval,
): Table {
  const ways = waysIn(cases);
  const xs = [...new Set(cases.map(({ x }) => x))].filter((x) => x !== null);
  return {
    title,
    lead,
    columns: [first, ...ways],
    rows: xs.map((x) => [
      labelOf(x),
      ...ways.map((way) => {
        const found = findCase(cases, way, x);
        return found?.summary && found.summary.latency.count > 0 ? cell(found) : '-';
      }),
    ]),
  };
}

const p50WithInterval = ({ summary, rounds }: Case): string => {
  const { median, low, high } = summary!.p50;
  // One round says nothing of how far it can be trusted.
  if (rounds.length < 2) return formatMicros(median);
  return `${formatMicros(median)} (${millis(low)} to ${millis(high)})`;
};

const millis = (micros: number) => formatMicros(micros).replace(' ms', '');

/** `took 105 ms less than redirect (95 % interval 104 to 106)`, or that no difference was shown. */
function phrase(found: ReportComparison | undefined): string {
  if (!found) return 'was not compared';
  const [least, most] = [found.lowMicros, found.highMicros].map(Math.abs).sort((one, other) => one - other);
  const interval = `95 % interval ${millis(least!)} to ${millis(most!)}`;
  const size = formatMicros(Math.abs(found.differenceMicros));
  switch (found.verdict) {
    case 'lower':
      return `took ${size} less than ${found.a} (${interval})`;
    case 'higher':
      return `took ${size} more than ${found.a} (${interval})`;
    case 'no difference shown':
      return `showed no difference from ${found.a}`;
    case 'too few rounds':
      return `took ${size} ${found.differenceMicros < 0 ? 'less' : 'more'} than ${found.a}, over too few rounds to judge`;
  }
}

const findComparison = (
  comparisons: readonly ReportComparison[],
  a: string,
  b: string,
  name: string,
): ReportComparison | undefined =>
  comparisons.find((each) => each.a === a && each.b === b && each.name === name);

/** Each handoff beside the way `a` at a place of the axis: `handoff-fd took 105 ms less than redirect (...)`. */
export const handoffsBeside = (
  a: string,
  name: string,
  cases: readonly Case[],
  comparisons: readonly ReportComparison[],
): string[] =>
  waysIn(cases)
    .filter(isHandoff)
    .map((way) => `${way} ${phrase(findComparison(comparisons, a, way, name))}`);

/** A model drawn beside what was measured: dashed, without points of its own. */
export const modelLine = (name: string, points: Line['points']): Line => ({
  name,
  way: null,
  kind: 'model',
  points,
});
