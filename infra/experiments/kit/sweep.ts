import type { Case, ReportComparison } from '../../report/schema.ts';
import type { ExperimentContext, Findings } from './experiment.ts';
import { compareWays, type LatencyChart, latencyChart, pivotTable } from './findings.ts';
import { type GridX, gridMs, measureGrid } from './grid.ts';
import type { Way } from './ways.ts';

/** One thing that is changed step by step, while every way is measured at each of its places and compared there. */
export interface Sweep {
  readonly ways: readonly Way[];
  readonly rounds: number;
  readonly axis: NonNullable<Findings['x']>;
  readonly places: readonly Place[];
  /** A place in words, as answers and comparisons have it. */
  label(x: number): string;
  readonly chart: LatencyChart;
  /** Over the first column, which has the places. */
  readonly rowTitle: string;
  /** A place in that column. Default `label`. */
  readonly rowLabel?: (x: number) => string;
  readonly tables: readonly SweepTable[];
  answer(cases: readonly Case[], comparisons: readonly ReportComparison[]): string;
  readonly parameters: Findings['parameters'];
  readonly notes: Findings['notes'];
}

interface Place extends Omit<GridX, 'x' | 'label'> {
  readonly x: number;
}

interface SweepTable {
  readonly title: string;
  readonly lead: string;
  /** Default: the median with its interval. */
  readonly cell?: (each: Case, cases: readonly Case[]) => string;
}

/** Measures it and says what was found; ends early, with what it has, when the context's signal says so. */
export async function sweep(
  context: ExperimentContext,
  { ways, rounds, axis, places, label, chart, rowTitle, rowLabel = label, tables, answer, ...said }: Sweep,
): Promise<Findings> {
  const grid = { ways, rounds, xs: places.map((place) => ({ ...place, label: label(place.x) })) };
  context.progress.expect(gridMs(grid));
  const { cases, warnings } = await measureGrid(grid, context);
  const comparisons = compareWays(cases, (x) => label(x ?? 0));
  return {
    answer: answer(cases, comparisons),
    ...said,
    x: axis,
    cases,
    comparisons,
    charts: [latencyChart(cases, chart)],
    tables: tables.map(({ title, lead, cell }) =>
      pivotTable(cases, title, lead, rowTitle, rowLabel, cell && ((each) => cell(each, cases))),
    ),
    warnings,
  };
}
