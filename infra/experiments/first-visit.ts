/**
 * One request on a new connection, every way, at several round trips. A visit straight to a delivery is one round trip
 * for the handshake and one for the request. A handoff adds none. A redirect pays both twice: once for the answer that
 * says where to go, and once for going there. The measured medians are drawn with these models.
 */
import type { Case, ReportComparison } from '../report/schema.ts';
import { formatMicros } from '../terminal/figures.ts';
import { cableOf, clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { findCase, handoffsBeside, modelLine, p50Of, waysIn } from './kit/findings.ts';
import { sweep } from './kit/sweep.ts';
import { isHandoff, waysOf } from './kit/ways.ts';

const size = {
  full: { roundTrips: [0, 10, 50, 100], rounds: 5, rate: 50, warmUpMs: 300, durationMs: 1100 },
  quick: { roundTrips: [0, 50], rounds: 1, rate: 50, warmUpMs: 200, durationMs: 500 },
};
const PATH = '/bytes/1000';

/** Round trips of a visit, by way. */
const roundTripsOf = (way: string) => (way === 'redirect' || way === 'created' ? 4 : 2);

export const firstVisit: Experiment = {
  name: 'first-visit',
  title: 'one request on a new connection, every way, over round trips of 0 to 100 ms',
  question: 'How long does a first visit take when the client is far away: handed over, or sent elsewhere?',
  seconds: { full: 240, quick: 20 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { roundTrips, rounds, rate, warmUpMs, durationMs } = context.quick ? size.quick : size.full;
  const lab = await context.startLab({ mode: 'handoff', deliveries: 1, local: 1, links: clientCable });
  const cable = await cableOf(lab, roundTrips);
  return await sweep(context, {
    ways: waysOf(lab),
    rounds,
    axis: { title: 'round trip', unit: 'ms' },
    label,
    places: cable.roundTrips.map((x) => ({
      x,
      load: { paths: [PATH], rate, arrivals: 'poisson', warmUpMs, durationMs, timeoutMs: 5000 },
      visitMs: 3 * x,
      prepare: () => cable.set(x),
    })),
    answer: (cases, comparisons) =>
      answer(cases, comparisons, Math.max(...cable.roundTrips.filter((x) => x <= 50))),
    parameters: {
      'round trips': cable.roundTrips.map((x) => `${x} ms`).join(', '),
      'visits per second': rate,
      arrivals: 'poisson, the same for every way of a round',
      rounds,
      'seconds per round and case': durationMs / 1000,
      'warm-up seconds before each': warmUpMs / 1000,
      path: PATH,
    },
    chart: {
      title: 'A first visit, by round trip',
      lead: 'Median of all rounds, with its 95 % interval where it is wider than the dot. Dashed: what the model says.',
      x: { title: 'round trip', unit: 'ms', log: false },
      yTitle: 'visit',
      models: [model(2, cable.roundTrips), model(4, cable.roundTrips)],
    },
    rowTitle: 'round trip',
    tables: [
      {
        title: 'Medians',
        lead: 'Half of all visits took at most this long; in brackets the 95 % interval over the rounds.',
      },
      {
        title: 'Above the model',
        lead: 'Median less the round trips that it cannot do without: what is left is the machine’s own work.',
        cell: ({ way, x, summary }) =>
          formatMicros(summary!.p50.median - roundTripsOf(way) * (x ?? 0) * 1000),
      },
    ],
    notes: [
      'Times run from the moment a visit was meant to begin, so a delay anywhere, the generator’s own included, is in them.',
      'The model counts round trips only: two for a direct visit and a handoff (handshake, request), four for a redirect. What a visit takes above it is work of the machine, and on two cores client, head, deliveries and cables share it.',
      'The delay is between the client and everything else. Head and deliveries are next to each other, as in one rack.',
      'Clients do not follow a 201 by themselves; its figures show what it would take if they did.',
      ...(cable.note ? [cable.note] : []),
    ],
  });
}

const label = (x: number) => `${x} ms`;

const model = (trips: number, xs: readonly number[]) =>
  modelLine(
    `model: ${trips} round trips`,
    xs.map((x) => ({ x, y: trips * x })),
  );

function answer(cases: readonly Case[], comparisons: readonly ReportComparison[], x: number): string {
  const p50 = (way: string) => p50Of(findCase(cases, way, x));
  const redirect = p50('redirect');
  const direct = p50('direct');
  const handoffs = waysIn(cases).filter((way) => isHandoff(way) && p50(way) !== undefined);
  if (redirect === undefined || direct === undefined || handoffs.length === 0)
    return 'Too little was measured to compare the ways.';
  const found = handoffs.map((way) => `${formatMicros(p50(way)!)} by ${way}`).join(', ');
  const verdicts = handoffsBeside('redirect', label(x), cases, comparisons);
  return `At a round trip of ${x} ms half of all first visits took at most ${formatMicros(direct)} straight to a delivery, ${found}, and ${formatMicros(redirect)} with a 307 redirect: ${verdicts.join('; ')}.`;
}
