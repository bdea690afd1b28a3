/**
 * Visitors who stay: 1 to 100 requests, one after the other on the same connection, at a round trip of 20 ms. The first
 * hop is paid once; the more requests follow, the less of it falls on each.
 */
import type { Case, ReportComparison } from '../report/schema.ts';
import { formatMicros } from '../terminal/figures.ts';
import { startLabAt } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { findCase, handoffsBeside, modelLine, p50Of } from './kit/findings.ts';
import { sweep } from './kit/sweep.ts';
import { waysOf } from './kit/ways.ts';

const ROUND_TRIP_MS = 20;

const full = {
  rounds: 5,
  visits: [
    { requests: 1, rate: 40, durationMs: 900 },
    { requests: 2, rate: 40, durationMs: 900 },
    { requests: 5, rate: 30, durationMs: 900 },
    { requests: 10, rate: 30, durationMs: 900 },
    { requests: 30, rate: 12, durationMs: 900 },
    { requests: 100, rate: 6, durationMs: 900 },
  ],
};
const quick = { rounds: 1, visits: full.visits.filter(({ requests }) => [1, 30].includes(requests)) };

export const session: Experiment = {
  name: 'session',
  title: '1 to 100 requests on one connection, every way: how the first hop is amortised',
  question: 'How many requests must follow on a connection until it no longer matters how it began?',
  seconds: { full: 260, quick: 35 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { rounds, visits } = context.quick ? quick : full;
  const { lab, roundTrip, notes } = await startLabAt(context, ROUND_TRIP_MS);
  return await sweep(context, {
    ways: waysOf(lab).filter(({ mode }) => mode !== 'created'),
    rounds,
    axis: { title: 'requests on the connection', unit: '' },
    label,
    places: visits.map(({ requests, rate, durationMs }) => ({
      x: requests,
      load: { paths: ['/bytes/1000'], rate, durationMs, requestsPerVisit: requests, timeoutMs: 15_000 },
      visitMs: (requests + 3) * roundTrip,
    })),
    answer: (cases, comparisons) => answer(cases, comparisons, roundTrip),
    parameters: {
      'round trip': `${roundTrip} ms`,
      'requests per visit': visits.map(({ requests }) => requests).join(', '),
      'visits per second': visits.map(({ rate }) => rate).join(', '),
      'seconds per round and case': visits[0]!.durationMs / 1000,
      arrivals: 'constant',
      rounds,
      path: '/bytes/1000',
    },
    chart: {
      title: 'Time of each request, the first hop shared out',
      lead: 'Median of a whole visit divided by its requests, with its 95 % interval. Dashed: round trips only.',
      x: { title: 'requests on one connection', unit: '', log: true },
      yTitle: 'a request',
      per: (x) => x,
      models: roundTrip > 0 ? [model(1, roundTrip, visits), model(3, roundTrip, visits)] : [],
    },
    rowTitle: 'requests',
    rowLabel: String,
    tables: [
      { title: 'Whole visits', lead: 'Medians; in brackets the 95 % interval over the rounds.' },
      {
        title: 'Longer than the direct way',
        lead: 'How much longer a whole visit took than the same visit straight to a delivery.',
        cell: ({ way, x }, cases) => {
          const more = percentMore(cases, way, x);
          return more === undefined ? '-' : `${more.toFixed(1)} %`;
        },
      },
    ],
    notes: [
      'After a handoff the head has no part in the connection: later requests go to the delivery as they would have directly.',
      'Requests follow each other without a pause, each after the whole answer to the one before.',
      ...notes,
    ],
  });
}

const label = (requests: number) => `${requests} request${requests === 1 ? '' : 's'}`;

/** A round trip for each request, and what comes before the first. */
const model = (before: number, roundTrip: number, visits: readonly { requests: number }[]) =>
  modelLine(
    `model: ${before} round trip${before === 1 ? '' : 's'} before the first request`,
    visits.map(({ requests }) => ({ x: requests, y: ((requests + before) * roundTrip) / requests })),
  );

/** Than the direct way; undefined where either had no visit that succeeded. */
function percentMore(cases: readonly Case[], way: string, x: number | null): number | undefined {
  const [own, direct] = [p50Of(findCase(cases, way, x)), p50Of(findCase(cases, 'direct', x))];
  return own === undefined || direct === undefined ? undefined : ((own - direct) / direct) * 100;
}

function answer(cases: readonly Case[], comparisons: readonly ReportComparison[], roundTrip: number): string {
  const more = (x: number | null) => percentMore(cases, 'redirect', x);
  const xs = [...new Set(cases.map(({ x }) => x))].filter((x) => more(x) !== undefined);
  const [least, most] = [xs[0], xs.at(-1)];
  const [one, many] = [more(least ?? null), more(most ?? null)];
  if (typeof least !== 'number' || typeof most !== 'number' || one === undefined || many === undefined)
    return 'Too little was measured to compare the sessions.';
  const handoffs = handoffsBeside('direct', label(most), cases, comparisons);
  return `At a round trip of ${roundTrip} ms a redirect makes a visit of ${label(least)} ${one.toFixed(0)} % longer than a direct one and a visit of ${label(most)} ${many.toFixed(1)} % longer; at ${label(most)} ${handoffs.join(', ')}. The redirect itself cost ${redirectCost(cases, least)} with ${label(least)} and ${redirectCost(cases, most)} with ${label(most)}.`;
}

function redirectCost(cases: readonly Case[], x: number): string {
  const own = p50Of(findCase(cases, 'redirect', x))!;
  return formatMicros(own - p50Of(findCase(cases, 'direct', x))!);
}
