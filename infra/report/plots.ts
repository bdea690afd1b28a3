import type { Histogram } from 'hdr-histogram-js';
import { mergeHistograms } from '../visits/histogram.ts';
import type { Case } from './schema.ts';

/** Columns as uPlot takes them: the x values, then one list of y values a series. */
export interface PlotData {
  readonly names: readonly string[];
  /** The place of each in the report, which decides its colour. */
  readonly cases: readonly number[];
  /** x: nines, -log10(1 - fraction), so that 1 is p90, 2 is p99, 3 is p99.9; y: milliseconds. */
  readonly spectrum: readonly (readonly (number | null)[])[];
  /** x: milliseconds; y: percent of the visits that took at most so long. */
  readonly distribution: readonly (readonly number[])[];
}

/** Steps of each curve: enough for a wide screen, and a page of some tens of kilobytes. */
const steps = 240;
/** Below 0.1 % the distribution's curve would only widen the plot. */
const quantiles = 1000;

export function plotData(cases: readonly Case[]): PlotData {
  const measured = cases.filter(({ summary }) => summary !== null && summary.latency.count > 0);
  const histograms = measured.map(({ rounds }) =>
    mergeHistograms(rounds.map((round) => round.visits.latency.histogram)),
  );
  return {
    names: measured.map(({ name }) => name),
    cases: measured.map((each) => cases.indexOf(each)),
    spectrum: spectrum(histograms),
    distribution: distribution(histograms),
  };
}

function spectrum(histograms: readonly Histogram[]): (number | null)[][] {
  const most = Math.max(10, ...histograms.map((histogram) => histogram.totalCount));
  const nines = Array.from({ length: steps + 1 }, (_, step) => (Math.log10(most) * step) / steps);
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
    Array.from(
      { length: quantiles },
      (_, index) => histogram.getValueAtPercentile((100 * (index + 1)) / quantiles) / 1000,
    ),
  );
  if (curves.length === 0) return [[]];
  const least = Math.max(0.001, Math.min(...curves.map((curve) => curve[0]!)) * 0.9);
  // To the slowest p99.5: the rest is the spectrum's to show.
  const most = Math.max(...curves.map((curve) => curve[Math.floor(quantiles * 0.995) - 1]!)) * 1.1;
  const grid = Array.from({ length: steps + 1 }, (_, step) => least * (most / least) ** (step / steps));
  return [
    grid.map(round),
    ...curves.map((curve) => grid.map((millis) => round((100 * countAtMost(curve, millis)) / quantiles))),
  ];
}

/** Of a sorted list, by halving. */
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
