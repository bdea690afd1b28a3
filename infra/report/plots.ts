import type { Histogram } from 'hdr-histogram-js';
import { mergeHistograms, quantiles } from '../visits/histogram.ts';
import type { Chart, Line } from './chart.ts';
import { colourOf } from './colours.ts';
import type { HeatData, heatRange } from './over-time.ts';
import type { Case } from './schema.ts';

/** What the page's script draws. Columns are as uPlot takes them: the x values, then one list of y values a line. */
export interface PageData {
  readonly charts: readonly ChartData[];
  readonly groups: readonly GroupData[];
  /** Of the last group. */
  readonly overTime?: ChartData | undefined;
  readonly heats?: readonly HeatData[];
  readonly heatRange?: ReturnType<typeof heatRange>;
}

/** A chart whose lines share one x axis, with null where a line has no point. */
interface ChartData {
  readonly x: Chart['x'];
  readonly y: Chart['y'];
  readonly lines: readonly {
    readonly name: string;
    readonly colour: number;
    readonly kind: Line['kind'];
    readonly run: number;
    /** 95 % intervals; empty where there are none. */
    readonly intervals: readonly (readonly [x: number, low: number, high: number])[];
  }[];
  readonly events: Chart['events'];
  readonly columns: readonly (readonly (number | null)[])[];
}

/** The cases of one place on the report's axis. */
interface GroupData {
  readonly names: readonly string[];
  readonly colours: readonly number[];
  /** x: nines, -log10(1 - fraction), so that 1 is p90, 2 is p99, 3 is p99.9; y: milliseconds. */
  readonly spectrum: readonly (readonly (number | null)[])[];
  /** x: milliseconds; y: percent of the visits that took at most so long. */
  readonly distribution: readonly (readonly number[])[];
}

/** Steps of each curve: enough for a wide screen, and a page of some tens of kilobytes. */
const STEPS = 240;
/** Below 0.1 % the distribution's curve would only widen the plot. */
const RESOLUTION = 1000;

export function chartData({ x, y, lines, events }: Chart): ChartData {
  const xs = [...new Set(lines.flatMap(({ points }) => points.map((point) => point.x)))].sort(
    (one, other) => one - other,
  );
  return {
    x,
    y,
    events,
    lines: lines.map(({ name, way, kind, run = 0, points }, index) => ({
      name,
      kind,
      run,
      colour: colourOf(way, index),
      intervals: points.flatMap(({ x: at, low, high }) =>
        low === undefined || high === undefined ? [] : [[at, round(low), round(high)] as const],
      ),
    })),
    columns: [
      xs,
      ...lines.map(({ points }) => {
        const values = new Map(points.map((point) => [point.x, point.y]));
        return xs.map((at) => roundOrNull(values.get(at) ?? null));
      }),
    ],
  };
}

export function groupData(cases: readonly Case[]): GroupData {
  const histograms = cases.map(({ rounds }) =>
    mergeHistograms(rounds.map((each) => each.visits.latency.histogram)),
  );
  return {
    names: cases.map(({ way }) => way),
    colours: cases.map(({ way }, index) => colourOf(way, index)),
    spectrum: spectrum(histograms),
    distribution: distribution(histograms),
  };
}

/** Measured cases by their place on the axis, in its order. */
export function groupCases(cases: readonly Case[]): { x: number | null; cases: Case[] }[] {
  const measured = cases.filter(({ summary }) => summary !== null && summary.latency.count > 0);
  const xs = [...new Set(measured.map(({ x }) => x))];
  return xs.map((x) => ({ x, cases: measured.filter((each) => each.x === x) }));
}

function spectrum(histograms: readonly Histogram[]): (number | null)[][] {
  const most = Math.max(10, ...histograms.map((histogram) => histogram.totalCount));
  const nines = Array.from({ length: STEPS + 1 }, (_, step) => (Math.log10(most) * step) / STEPS);
  const curve = (histogram: Histogram) =>
    nines.map((nine) => {
      // Past one visit in all of them there is nothing to say.
      if (10 ** nine > histogram.totalCount * 1.0001) return null;
      return histogram.getValueAtPercentile(100 * (1 - 10 ** -nine)) / 1000;
    });
  return [
    nines.map((nine) => round(nine)),
    ...histograms.map((histogram) => curve(histogram).map(roundOrNull)),
  ];
}

function distribution(histograms: readonly Histogram[]): number[][] {
  const curves = histograms.map((histogram) =>
    quantiles(histogram, RESOLUTION).map((micros) => micros / 1000),
  );
  if (curves.length === 0) return [[]];
  const least = Math.max(0.001, Math.min(...curves.map((curve) => curve[0]!)) * 0.9);
  // To the slowest p99.5: the rest is the spectrum's to show.
  const most = Math.max(...curves.map((curve) => curve[Math.floor(RESOLUTION * 0.995) - 1]!)) * 1.1;
  const grid = Array.from({ length: STEPS + 1 }, (_, step) => least * (most / least) ** (step / STEPS));
  return [
    grid.map(round),
    ...curves.map((curve) => grid.map((millis) => round((100 * countAtMost(curve, millis)) / RESOLUTION))),
  ];
}

/** How many values of a sorted list are not above `value`, by halving. */
function countAtMost(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const round = (value: number) => Number(value.toPrecision(5));
const roundOrNull = (value: number | null) => (value === null ? null : round(value));
