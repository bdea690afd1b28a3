/**
 * Answers of 1 kB to 10 MB at a round trip of 50 ms. TCP sends ten segments at first (RFC 6928) and twice as many after
 * each round trip, so a larger answer takes more of them. Every new connection begins at ten again: the question is
 * whether a redirect's second connection costs more than its two round trips, and whether a handoff, which keeps the
 * first, has an advantage that grows with the answer.
 */
import type { Case, ReportComparison } from '../report/schema.ts';
import { formatMicros } from '../terminal/figures.ts';
import { startLabAt } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { findCase, handoffsBeside, modelLine, p50Of, waysIn } from './kit/findings.ts';
import { sweep } from './kit/sweep.ts';
import { isHandoff, waysOf } from './kit/ways.ts';

const ROUND_TRIP_MS = 50;
const KB = 1000;
const MB = 1000 * KB;

/** Rates such that visits of one case do not share the cable for long. */
const full = {
  rounds: 5,
  sizes: [
    { bytes: KB, rate: 25, durationMs: 1000, visitMs: 150 },
    { bytes: 10 * KB, rate: 25, durationMs: 1000, visitMs: 150 },
    { bytes: 100 * KB, rate: 20, durationMs: 1000, visitMs: 300 },
    { bytes: MB, rate: 5, durationMs: 1200, visitMs: 500 },
    { bytes: 10 * MB, rate: 1, durationMs: 2000, visitMs: 900 },
  ],
};
const quick = { rounds: 1, sizes: [full.sizes[0]!, full.sizes[3]!] };

export const size: Experiment = {
  name: 'size',
  title: 'answers of 1 kB to 10 MB at a round trip of 50 ms, every way: what slow start costs',
  question: 'Does slow start on a second connection make a redirect more expensive the larger the answer is?',
  seconds: { full: 300, quick: 30 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { rounds, sizes } = context.quick ? quick : full;
  const { lab, roundTrip, notes } = await startLabAt(context, ROUND_TRIP_MS);
  return await sweep(context, {
    ways: waysOf(lab).filter(({ mode }) => mode !== 'created'),
    rounds,
    axis: { title: 'answer', unit: 'bytes' },
    label,
    places: sizes.map(({ bytes, rate, durationMs, visitMs }) => ({
      x: bytes,
      load: { paths: [`/bytes/${bytes}`], rate, durationMs, timeoutMs: 15_000 },
      visitMs: visitMs + 4 * roundTrip,
    })),
    answer: (cases, comparisons) => answer(cases, comparisons, roundTrip),
    parameters: {
      'round trip': `${roundTrip} ms`,
      sizes: sizes.map(({ bytes }) => label(bytes)).join(', '),
      'visits per second, by size': sizes.map(({ rate }) => rate).join(', '),
      'seconds per round, by size': sizes.map(({ durationMs }) => durationMs / 1000).join(', '),
      arrivals: 'constant',
      rounds,
    },
    chart: {
      title: 'A first visit, by the size of its answer',
      lead: 'Median of all rounds, with its 95 % interval. Dashed: round trips that slow start needs, without losses and with no limit on speed.',
      x: { title: 'size of the answer', unit: 'B', log: true },
      yTitle: 'visit',
      yLog: true,
      models: roundTrip > 0 ? [model(2, roundTrip, sizes), model(4, roundTrip, sizes)] : [],
    },
    rowTitle: 'answer',
    tables: [
      { title: 'Medians', lead: 'In brackets the 95 % interval over the rounds.' },
      {
        title: 'More than the direct way',
        lead: 'Median of each way less that of the direct way with an answer of the same size.',
        cell: ({ x, summary }, cases) =>
          formatMicros(summary!.p50.median - (p50Of(findCase(cases, 'direct', x)) ?? 0)),
      },
    ],
    notes: [
      'A redirect opens a second connection, which starts slowly like the first: what it costs is the first connection’s two round trips. The bytes that the first one carried (a 307 of a few hundred) grew no window worth keeping.',
      'A 201 that is followed goes the same way as a 307; first-visit measures both, so it is left out here.',
      'The cable of the lab has the delay but no limit on its speed and no loss; what limits the largest answers is the machine.',
      ...notes,
    ],
  });
}

function label(bytes: number): string {
  return bytes >= MB ? `${bytes / MB} MB` : `${bytes / KB} kB`;
}

/** First congestion window: ten segments of 1448 bytes (RFC 6928, Ethernet with timestamps). */
const INITIAL_WINDOW = 10 * 1448;

/** Handshakes and requests, and a round trip more each time the window must double before the rest fits. */
function model(trips: number, roundTrip: number, sizes: readonly { bytes: number }[]) {
  const doublings = (bytes: number) => Math.max(0, Math.ceil(Math.log2(bytes / INITIAL_WINDOW + 1)) - 1);
  return modelLine(
    `model: ${trips} round trips and slow start`,
    sizes.map(({ bytes }) => ({ x: bytes, y: (trips + doublings(bytes)) * roundTrip })),
  );
}

function answer(cases: readonly Case[], comparisons: readonly ReportComparison[], roundTrip: number): string {
  const measured = cases.filter(
    ({ way, summary }) => way === 'redirect' && (summary?.latency.count ?? 0) > 0,
  );
  const [small, large] = [measured[0], measured.at(-1)];
  if (!small || !large || !waysIn(cases).some(isHandoff))
    return 'Too little was measured to compare the sizes.';
  const at = (each: Case) => handoffsBeside('redirect', label(each.x ?? 0), cases, comparisons).join(', ');
  const share = (each: Case) => {
    const direct = p50Of(findCase(cases, 'direct', each.x));
    const more = direct === undefined ? undefined : each.summary!.p50.median - direct;
    return more === undefined ? '' : ` (${formatMicros(more)} more than a direct visit)`;
  };
  return `With a round trip of ${roundTrip} ms an answer of ${label(small.x ?? 0)} took ${formatMicros(small.summary!.p50.median)} after a redirect${share(small)} and one of ${label(large.x ?? 0)} ${formatMicros(large.summary!.p50.median)}${share(large)}; at ${label(small.x ?? 0)}: ${at(small)}; at ${label(large.x ?? 0)}: ${at(large)}.`;
}
