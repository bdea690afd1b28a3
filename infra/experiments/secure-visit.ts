/**
 * One request on a new connection over TLS, every way, at several round trips, with a full handshake and with a session that
 * is resumed. A visit straight to a delivery is a round trip each for TCP, for TLS 1.3 and for the request. A handoff adds
 * none, as it comes before the handshake. A redirect pays all three twice: whoever sends a client elsewhere must speak TLS
 * with it first. The measured medians are drawn with these models.
 */
import type { Lab } from '../lab/lab.ts';
import type { Case, ReportComparison } from '../report/schema.ts';
import { formatMicros } from '../terminal/figures.ts';
import { type Cable, cableOf, clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import {
  compareWays,
  findCase,
  handoffsBeside,
  latencyChart,
  modelLine,
  p50Of,
  pivotTable,
  waysIn,
} from './kit/findings.ts';
import { type Grid, gridMs, measureGrid } from './kit/grid.ts';
import { isHandoff, type Way, waysOf } from './kit/ways.ts';

const size = {
  full: { roundTrips: [0, 10, 50, 100], rounds: 5, rate: 50, warmUpMs: 300, durationMs: 1100 },
  quick: { roundTrips: [0, 50], rounds: 1, rate: 50, warmUpMs: 200, durationMs: 500 },
};
type Size = (typeof size)['full'];
const PATH = '/bytes/1000';

/** Round trips of a visit, by way. */
const roundTripsOf = (way: string) => (way === 'redirect' ? 6 : 3);

/** The two halves of the experiment. */
const kinds = {
  'full handshake': { resume: false, suffix: '' },
  resumed: { resume: true, suffix: ', resumed' },
} as const;
type Kind = keyof typeof kinds;

export const secureVisit: Experiment = {
  name: 'secure-visit',
  title: 'one request on a new connection over TLS, every way, over round trips of 0 to 100 ms',
  question:
    'How long does a first visit over TLS take: handed over before the handshake, or sent elsewhere after it?',
  seconds: { full: 420, quick: 40 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const wanted = context.quick ? size.quick : size.full;
  const lab = await context.startLab({
    mode: 'handoff',
    deliveries: 1,
    local: 1,
    links: clientCable,
    tls: 'everywhere',
  });
  return measureBoth(context, lab, wanted);
}

async function measureBoth(
  context: ExperimentContext,
  lab: Lab,
  { rounds, ...load }: Size,
): Promise<Findings> {
  const cable = await cableOf(lab, load.roundTrips);
  const xs = cable.roundTrips;
  const ways = waysOf(lab).filter(({ name }) => name !== 'created');
  const grids = Object.fromEntries(
    Object.entries(kinds).map(([kind, { resume }]) => [kind, gridOf(lab, cable, ways, rounds, load, resume)]),
  ) as Record<Kind, Grid>;
  context.progress.expect(Object.values(grids).reduce((sum, grid) => sum + gridMs(grid), 0));
  const halves = [];
  for (const kind of Object.keys(kinds) as Kind[]) {
    const { cases, warnings } = await measureGrid(grids[kind], context);
    halves.push({ kind, cases, warnings, comparisons: compareWays(cases, (x) => label(x ?? 0)) });
  }
  const shown = Math.max(...xs.filter((x) => x <= 50));
  return {
    answer: halves.map((half) => answer(half, shown)).join(' '),
    parameters: {
      'round trips': xs.map(label).join(', '),
      TLS: '1.3',
      'visits per second': load.rate,
      arrivals: 'poisson, the same for every way of a round',
      rounds,
      'seconds per round and case': load.durationMs / 1000,
      path: PATH,
    },
    x: { title: 'round trip', unit: 'ms' },
    cases: halves.flatMap(({ kind, cases }) =>
      cases.map((each) => ({
        ...each,
        name: `${each.name}${kinds[kind].suffix}`,
        way: `${each.way}${kinds[kind].suffix}`,
      })),
    ),
    comparisons: halves.flatMap(({ kind, comparisons }) =>
      comparisons.map((each) => ({ ...each, name: `${each.name}${kinds[kind].suffix}` })),
    ),
    charts: halves.map(({ kind, cases }) =>
      latencyChart(cases, {
        title: `A first visit over TLS, by round trip: ${kind}`,
        lead: 'Median of all rounds, with its 95 % interval where it is wider than the dot. Dashed: what the model says.',
        x: { title: 'round trip', unit: 'ms', log: false },
        yTitle: 'visit',
        models: [model(3, xs), model(6, xs)],
      }),
    ),
    tables: halves.flatMap(({ kind, cases }) => [
      pivotTable(
        cases,
        `Medians: ${kind}`,
        'Half of all visits took at most this long; in brackets the 95 % interval over the rounds.',
        'round trip',
        label,
      ),
      pivotTable(
        cases,
        `Above the model: ${kind}`,
        'Median less the round trips that it cannot do without: what is left is the machine’s own work.',
        'round trip',
        label,
        ({ way, x, summary }) => formatMicros(summary!.p50.median - roundTripsOf(way) * (x ?? 0) * 1000),
      ),
    ]),
    notes: [
      'Times run from the moment a visit was meant to begin, so a delay anywhere, the generator’s own included, is in them.',
      'The model counts round trips only: three for a direct visit and a handoff (TCP, TLS 1.3, request), six for a redirect. A session that is resumed saves the certificate and its checks, and no round trip.',
      'The redirect is the head’s own answer: it has the lab’s certificate for that, and speaks TLS on a thread of its own. To hand a connection over it needs none.',
      'A 201 is left out: it takes what a 307 takes, and no client follows one.',
      'The delay is between the client and everything else. Head and deliveries are next to each other, as in one rack.',
      ...(cable.note ? [cable.note] : []),
    ],
    warnings: halves.flatMap(({ kind, cases, warnings }) => [
      ...warnings,
      ...(kinds[kind].resume ? cases.flatMap(notResumed) : []),
    ]),
  };
}

function gridOf(
  lab: Lab,
  cable: Cable,
  ways: readonly Way[],
  rounds: number,
  { rate, warmUpMs, durationMs }: Omit<Size, 'rounds'>,
  resume: boolean,
): Grid {
  return {
    ways,
    rounds,
    xs: cable.roundTrips.map((x) => ({
      x,
      label: label(x),
      load: {
        scheme: 'https',
        paths: [PATH],
        rate,
        arrivals: 'poisson',
        // Until the first visits have brought sessions that others can resume.
        warmUpMs: warmUpMs + (resume ? 8 * x : 0),
        durationMs,
        timeoutMs: 5000,
        tls: { caFile: lab.certificate!, version: '1.3', resume },
      },
      visitMs: 6 * x,
      prepare: () => cable.set(x),
    })),
  };
}

function notResumed({ name, rounds }: Case): string[] {
  const [handshakes, resumed] = rounds.reduce(
    ([all, some], { visits: { tls } }) => [all + (tls?.handshakes ?? 0), some + (tls?.resumed ?? 0)],
    [0, 0],
  );
  return resumed === handshakes
    ? []
    : [`${name}: only ${resumed} handshakes of ${handshakes} resumed a session`];
}

const label = (x: number) => `${x} ms`;

const model = (trips: number, xs: readonly number[]) =>
  modelLine(
    `model: ${trips} round trips`,
    xs.map((x) => ({ x, y: trips * x })),
  );

interface Half {
  readonly kind: Kind;
  readonly cases: readonly Case[];
  readonly comparisons: readonly ReportComparison[];
}

function answer({ kind, cases, comparisons }: Half, x: number): string {
  const p50 = (way: string) => p50Of(findCase(cases, way, x));
  const redirect = p50('redirect');
  const direct = p50('direct');
  const handoffs = waysIn(cases).filter((way) => isHandoff(way) && p50(way) !== undefined);
  const how = kind === 'resumed' ? 'With a session that is resumed' : `At a round trip of ${x} ms`;
  if (redirect === undefined || direct === undefined || handoffs.length === 0)
    return `${how} too little was measured to compare the ways.`;
  const found = handoffs.map((way) => `${formatMicros(p50(way)!)} by ${way}`).join(', ');
  const verdicts = handoffsBeside('redirect', label(x), cases, comparisons);
  return `${how} half of all first visits over TLS took at most ${formatMicros(direct)} straight to a delivery, ${found}, and ${formatMicros(redirect)} with a 307 redirect: ${verdicts.join('; ')}.`;
}
