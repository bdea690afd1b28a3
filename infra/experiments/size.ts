import type { Line } from '../report/chart.ts';
import type { Case, ReportComparison } from '../report/schema.ts';
import { formatMicros } from '../terminal/figures.ts';
import { startLabAt } from './cable.ts';
import type { Experiment, ExperimentContext, Findings } from './experiment.ts';
import {
  compareWays,
  findCase,
  findComparison,
  latencyChart,
  p50Of,
  phrase,
  pivotTable,
  waysIn,
} from './findings.ts';
import { type Grid, gridMs, measureGrid } from './grid.ts';
import { isHandoff, waysOf } from './ways.ts';

/**
 * Answers of 1 kB to 10 MB at a round trip of 50 ms. TCP sends ten segments at first (RFC 6928) and twice as many after
 * each round trip, so a larger answer takes more of them. Every new connection begins at ten again: the question is
 * whether a redirect's second connection costs more than its two round trips, and whether a handoff, which keeps the
 * first, has an advantage that grows with the answer.
 */

const roundTripMs = 50;
const kB = 1000;
const MB = 1000 * kB;

/** Rates such that visits of one case do not share the cable for long. */
const full = {
  rounds: 5,
  sizes: [
    { bytes: kB, rate: 25, durationMs: 1000, visitMs: 150 },
    { bytes: 10 * kB, rate: 25, durationMs: 1000, visitMs: 150 },
    { bytes: 100 * kB, rate: 20, durationMs: 1000, visitMs: 300 },
    { bytes: MB, rate: 5, durationMs: 1200, visitMs: 500 },
    { bytes: 10 * MB, rate: 1, durationMs: 2000, visitMs: 900 },
  ],
};
const quick = { rounds: 1, sizes: [full.sizes[0]!, full.sizes[3]!] };

export const size: Experiment = {
  name: 'size',
  title: 'answers of 1 kB to 10 MB at a round trip of 50 ms, every way: what slow start costs',
  question: 'Does slow start on a second connection make a redirect dearer the larger the answer is?',
  seconds: { full: 300, quick: 30 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { rounds, sizes } = context.quick ? quick : full;
  const { lab, roundTrip, notes } = await startLabAt(context, roundTripMs);
  const grid: Grid = {
    ways: waysOf(lab).filter(({ mode }) => mode !== 'created'),
    rounds,
    xs: sizes.map(({ bytes, rate, durationMs, visitMs }) => ({
      x: bytes,
      label: label(bytes),
      load: { paths: [`/bytes/${bytes}`], rate, durationMs, timeoutMs: 15_000 },
      visitMs: visitMs + 4 * roundTrip,
    })),
  };
  context.progress.expect(gridMs(grid));
  const { cases, warnings } = await measureGrid(grid, context);
  const comparisons = compareWays(cases, (x) => label(x ?? 0));
  return {
    answer: answer(cases, comparisons, roundTrip),
    parameters: {
      'round trip': `${roundTrip} ms`,
      sizes: sizes.map(({ bytes }) => label(bytes)).join(', '),
      'visits per second, by size': sizes.map(({ rate }) => rate).join(', '),
      'seconds per round, by size': sizes.map(({ durationMs }) => durationMs / 1000).join(', '),
      arrivals: 'constant',
      rounds,
    },
    x: { title: 'answer', unit: 'bytes' },
    cases,
    comparisons,
    charts: [
      latencyChart(cases, {
        title: 'A first visit, by the size of its answer',
        lead: 'Median of all rounds, with its 95 % interval. Dashed: round trips that slow start needs, without losses and with no limit on speed.',
        x: { title: 'size of the answer', unit: 'B', log: true },
        yTitle: 'visit',
        yLog: true,
        models: roundTrip > 0 ? [model(2, roundTrip, sizes), model(4, roundTrip, sizes)] : [],
      }),
    ],
    tables: [
      pivotTable(cases, 'Medians', 'In brackets the 95 % interval over the rounds.', 'answer', label),
      pivotTable(
        cases,
        'More than the direct way',
        'Median of each way less that of the direct way with an answer of the same size.',
        'answer',
        label,
        (each) => formatMicros(each.summary!.p50.median - (p50Of(findCase(cases, 'direct', each.x)) ?? 0)),
      ),
    ],
    notes: [
      'A redirect opens a second connection, which starts slowly like the first: what it costs is the first connection’s two round trips. The bytes that the first one carried (a 307 of a few hundred) grew no window worth keeping.',
      'A 201 that is followed goes the same way as a 307; first-visit measures both, so it is left out here.',
      'The cable of the lab has the delay but no limit on its speed and no loss; what limits the largest answers is the machine.',
      ...notes,
    ],
    warnings,
  };
}

function label(bytes: number): string {
  return bytes >= MB ? `${bytes / MB} MB` : `${bytes / kB} kB`;
}

/** First congestion window: ten segments of 1448 bytes (RFC 6928, Ethernet with timestamps). */
const initialWindow = 10 * 1448;

/** Handshakes and requests, and a round trip more each time the window must double before the rest fits. */
function model(trips: number, roundTrip: number, sizes: readonly { bytes: number }[]): Line {
  const doublings = (bytes: number) => Math.max(0, Math.ceil(Math.log2(bytes / initialWindow + 1)) - 1);
  return {
    name: `model: ${trips} round trips and slow start`,
    way: null,
    kind: 'model',
    points: sizes.map(({ bytes }) => ({ x: bytes, y: (trips + doublings(bytes)) * roundTrip })),
  };
}

function answer(cases: readonly Case[], comparisons: readonly ReportComparison[], roundTrip: number): string {
  const measured = cases.filter(
    ({ way, summary }) => way === 'redirect' && (summary?.latency.count ?? 0) > 0,
  );
  const [small, large] = [measured[0], measured.at(-1)];
  const handoffs = waysIn(cases).filter(isHandoff);
  if (!small || !large || handoffs.length === 0) return 'Too little was measured to compare the sizes.';
  const at = (each: Case) =>
    handoffs
      .map((way) => `${way} ${phrase(findComparison(comparisons, 'redirect', way, label(each.x ?? 0)))}`)
      .join(', ');
  const share = (each: Case) => {
    const direct = p50Of(findCase(cases, 'direct', each.x));
    const more = direct === undefined ? undefined : each.summary!.p50.median - direct;
    return more === undefined ? '' : ` (${formatMicros(more)} more than a direct visit)`;
  };
  return `With a round trip of ${roundTrip} ms an answer of ${label(small.x ?? 0)} took ${formatMicros(small.summary!.p50.median)} after a redirect${share(small)} and one of ${label(large.x ?? 0)} ${formatMicros(large.summary!.p50.median)}${share(large)}; at ${label(small.x ?? 0)}: ${at(small)}; at ${label(large.x ?? 0)}: ${at(large)}.`;
}
