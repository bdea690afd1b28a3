/**
 * How much a server sends before it has heard that anything arrived: ten segments (RFC 6928), or 20, 30 and 46, as a route can
 * say (`ip route change ... initcwnd 30`). By the size of the answer, the round trip and the loss, every way. Whoever sends
 * decides it: the host of the delivery, and the head's for those that it hands over on its own host.
 */

import type { Lab } from '../lab/lab.ts';
import type { Case } from '../report/schema.ts';
import { formatMicros } from '../terminal/figures.ts';
import { setInitialWindow, USUAL_WINDOW } from './initial-window/route.ts';
import { cableOf, clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { findCase, latencyChart, p50Of, pivotTable } from './kit/findings.ts';
import { type GridX, gridMs, measureGrid } from './kit/grid.ts';
import { waysOf } from './kit/ways.ts';

const KB = 1000;
const MB = 1000 * KB;

interface Path {
  readonly roundTripMs: number;
  readonly lossPercent: number;
}
interface Size {
  readonly bytes: number;
  readonly rate: number;
  readonly durationMs: number;
}
interface Place extends Path, Size {
  readonly window: number;
}

const full = {
  rounds: 3,
  windows: [USUAL_WINDOW, 20, 30, 46],
  paths: [
    { roundTripMs: 50, lossPercent: 0 },
    { roundTripMs: 50, lossPercent: 1 },
    { roundTripMs: 100, lossPercent: 0 },
  ],
  /** Rates such that visits of one case do not share the cable for long. */
  sizes: [
    { bytes: 30 * KB, rate: 20, durationMs: 600 },
    { bytes: 100 * KB, rate: 20, durationMs: 600 },
    { bytes: MB, rate: 6, durationMs: 1000 },
  ],
};
const quick: typeof full = {
  rounds: 1,
  windows: [USUAL_WINDOW, 46],
  paths: [full.paths[0]!],
  sizes: [full.sizes[1]!],
};

export const initialWindow: Experiment = {
  name: 'initial-window',
  title: 'initial windows of 10 to 46 segments, by answer, round trip and loss, every way',
  question: 'Is slow start a problem, and what helps against it?',
  seconds: { full: 1150, quick: 30 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const lab = await context.startLab({ mode: 'handoff', deliveries: 1, local: 1, links: clientCable });
  const cable = await cableOf(lab, [...new Set(size.paths.map(({ roundTripMs }) => roundTripMs))]);
  // A lab without cables has no hosts of its own either: the routes there are the machine's.
  const isPlain = cable.note !== undefined;
  const windows = isPlain ? [USUAL_WINDOW] : size.windows;
  const paths = isPlain ? [{ roundTripMs: 0, lossPercent: 0 }] : size.paths;
  const places = paths.flatMap((path) =>
    size.sizes.flatMap((one) => windows.map((window): Place => ({ ...path, ...one, window }))),
  );
  const prepare = preparerOf(lab);
  const grid = {
    ways: waysOf(lab),
    rounds: size.rounds,
    xs: places.map(
      (place, x): GridX => ({
        x,
        label: labelOf(place),
        load: {
          paths: [`/bytes/${place.bytes}`],
          rate: place.rate,
          durationMs: place.durationMs,
          timeoutMs: 15_000,
        },
        visitMs: 8 * place.roundTripMs,
        ...(isPlain ? {} : { prepare: () => prepare(place) }),
      }),
    ),
  };
  context.progress.expect(gridMs(grid));
  const { cases, warnings } = await measureGrid(grid, context);
  // Routes of machines that are kept are as they were.
  if (!isPlain) await setInitialWindow(lab, USUAL_WINDOW);
  return {
    answer: answerOf(cases, places),
    parameters: {
      'initial windows': windows.join(', '),
      'round trips and loss': paths.map(pathOf).join('; '),
      sizes: size.sizes.map(({ bytes }) => sizeOf(bytes)).join(', '),
      'visits per second, by size': size.sizes.map(({ rate }) => rate).join(', '),
      rounds: size.rounds,
      arrivals: 'constant',
    },
    x: { title: 'place', unit: '', labels: places.map(labelOf) },
    cases,
    charts: paths.flatMap((path) =>
      size.sizes.map(({ bytes }) =>
        latencyChart(
          overWindows(cases, places, (place) => isAt(place, path) && place.bytes === bytes),
          {
            title: `${sizeOf(bytes)}, ${pathOf(path)}, by the initial window`,
            lead: 'Median of all rounds, with its 95 % interval.',
            x: { title: 'initial window', unit: 'segments', log: false },
            yTitle: 'visit',
          },
        ),
      ),
    ),
    tables: paths.flatMap((path) => tablesOf(cases, places, path)),
    notes: [
      'Whoever sends the answer decides: the route of the delivery’s host, and of the head’s where it hands over on its own. A moved connection begins with what its new host says.',
      'With loss the median hides those that lost something; the tables have the 90th percentile as well.',
      'A client’s kernel takes some 64 kB at first, so more than 46 segments would wait for it.',
      ...(cable.note ? [cable.note] : []),
    ],
    warnings,
  };
}

/** Sets what has changed since the place before. */
function preparerOf(lab: Lab): (place: Place) => Promise<void> {
  let before: Partial<Place> = {};
  return async (place) => {
    const { roundTripMs, lossPercent, window } = place;
    if (before.roundTripMs !== roundTripMs || before.lossPercent !== lossPercent)
      await lab.client.setLink({ delayMs: roundTripMs / 2, lossPercent });
    if (before.window !== window) await setInitialWindow(lab, window);
    before = place;
  };
}

const sizeOf = (bytes: number) => (bytes >= MB ? `${bytes / MB} MB` : `${bytes / KB} kB`);
const pathOf = ({ roundTripMs, lossPercent }: Path) =>
  `${roundTripMs} ms${lossPercent > 0 ? `, ${lossPercent} % loss` : ''}`;
const labelOf = (place: Place) => `${sizeOf(place.bytes)}, ${pathOf(place)}, ${place.window} segments`;
const isAt = (place: Path, { roundTripMs, lossPercent }: Path) =>
  place.roundTripMs === roundTripMs && place.lossPercent === lossPercent;

/** Those at such places, as if the window were the axis. */
const overWindows = (
  cases: readonly Case[],
  places: readonly Place[],
  wanted: (place: Place) => boolean,
): Case[] =>
  cases.flatMap((each) => {
    const place = places[each.x!]!;
    return wanted(place) ? [{ ...each, x: place.window }] : [];
  });

function tablesOf(cases: readonly Case[], places: readonly Place[], path: Path) {
  const here = cases.filter(({ x }) => isAt(places[x!]!, path));
  const row = (x: number) => `${sizeOf(places[x]!.bytes)}, ${places[x]!.window} segments`;
  const medians = pivotTable(
    here,
    `Medians at ${pathOf(path)}`,
    'In brackets the 95 % interval over the rounds.',
    'answer and initial window',
    row,
  );
  if (path.lossPercent === 0) return [medians];
  const slow = pivotTable(
    here,
    `Nine of ten visits at ${pathOf(path)}`,
    '90th percentile, the median of the rounds.',
    'answer and initial window',
    row,
    ({ summary }) => formatMicros(summary!.p90.median),
  );
  return [medians, slow];
}

/** What the largest window did to each way, at the first path, and what it did not. */
function answerOf(cases: readonly Case[], places: readonly Place[]): string {
  const path = places[0]!;
  const windows = [...new Set(places.map(({ window }) => window))];
  const [least, most] = [Math.min(...windows), Math.max(...windows)];
  const at = (way: string, bytes: number, window: number, where: Path = path) =>
    p50Of(
      findCase(
        cases,
        way,
        places.findIndex((place) => isAt(place, where) && place.bytes === bytes && place.window === window),
      ),
    );
  const sizes = [...new Set(places.map(({ bytes }) => bytes))];
  if (least === most || at('direct', sizes[0]!, most) === undefined)
    return 'Too little was measured to compare initial windows.';
  const said = sizes.map((bytes) => {
    const both = (way: string) =>
      `${formatMicros(at(way, bytes, least) ?? 0)} and ${formatMicros(at(way, bytes, most) ?? 0)}`;
    return `${sizeOf(bytes)} ${both('direct')} directly, ${both('handoff-fd')} handed over, ${both('redirect')} redirected`;
  });
  return `At ${pathOf(path)}, with an initial window of ${least} segments and of ${most}: ${said.join('; ')}. Round trips that the redirect costs are not saved so, those of slow start are.`;
}
