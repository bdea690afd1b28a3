/**
 * The same visits to the same two deliveries: straight to them, and through a head that hands over, answers 307 or
 * answers 201. All ways take turns, round after round, so that whatever else the machine does falls on all of them;
 * the head stays the same process and is switched while it runs.
 */
import type { Lab } from '../lab/lab.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { compareWays } from './kit/findings.ts';
import { type Grid, gridMs, measureGrid } from './kit/grid.ts';
import { type Load, saturateInTurns, saturationMs } from './kit/saturate.ts';
import { type Way, waysOf } from './kit/ways.ts';
import { answerOf } from './modes/answer.ts';

/** Different targets, so that a policy which looks at the path has something to choose by. */
export const modesPaths = [
  '/bytes/1000?page=1',
  '/bytes/1000?page=2',
  '/bytes/1000?page=3',
  '/bytes/1000?page=4',
];

/** Said of a lab whose deliveries are on other hosts. */
const ALREADY = 'it is among them';

interface Size {
  readonly rounds: number;
  /** Visits per second. */
  readonly rate: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly openConnections: Load;
}

const full: Size = {
  rounds: 5,
  rate: 200,
  warmUpMs: 300,
  durationMs: 1000,
  openConnections: { connections: 16, seconds: 1, turns: 2 },
};
const quick: Size = {
  ...full,
  rounds: 1,
  warmUpMs: 200,
  durationMs: 500,
  openConnections: { connections: 16, seconds: 1, turns: 1 },
};

export const modes: Experiment = {
  name: 'modes',
  title: 'every way over the shortest of networks: what a visit takes and what it costs the head',
  question:
    'Is it better to hand a connection over than to tell the client to go elsewhere, and by how much?',
  seconds: { full: 60, quick: 14 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const startMs = 1000;
  const { progress } = context;
  const lab = await progress.during('starting a head and its deliveries', startMs, () =>
    context.startLab({ mode: 'handoff', deliveries: 1, local: 1 }),
  );
  const { rate, warmUpMs, durationMs, rounds } = size;
  const load = {
    paths: modesPaths,
    rate,
    warmUpMs,
    durationMs,
    arrivals: 'poisson',
    timeoutMs: 5000,
  } as const;
  const moved = await progress.during('starting a delivery on a host of its own', startMs, () =>
    wayToAnotherHost(lab, context),
  );
  const ways = [...waysOf(lab), ...(typeof moved === 'string' ? [] : [moved])];
  const grid: Grid = { ways, rounds, xs: [{ x: null, label: '', load }] };
  progress.expect(gridMs(grid) + saturationMs(size.openConnections));
  const { cases, warnings } = await measureGrid(grid, context);
  const saturation = await saturateInTurns(lab, modesPaths[0]!, size.openConnections, context);
  const comparisons = compareWays(cases, () => 'p50');
  return {
    answer: answerOf(cases, comparisons),
    parameters: {
      'visits per second': rate,
      arrivals: 'poisson, the same in every case of a round',
      rounds,
      'seconds per round and case': durationMs / 1000,
      'warm-up seconds before each': warmUpMs / 1000,
      'requests per visit': 1,
      paths: modesPaths.join(' '),
      deliveries: lab.deliveries.map(({ name, transport }) => `${name} (${transport})`).join(', '),
    },
    cases,
    comparisons,
    saturation,
    notes: [
      ...(typeof moved === 'string' && moved !== ALREADY
        ? [`Moving a connection to another host is not among these: ${moved}.`]
        : []),
      "Times run from the moment a visit was meant to begin, so a delay anywhere, the generator's own included, is in them.",
      'Over loopback a round trip takes almost no time. Between real hosts the second connection of a redirect costs two more round trips, which these figures do not show.',
      'At this modest rate the head sleeps between connections and each one pays for waking it, so the CPU time of a connection is several times what it is under full load; the bench measures that.',
      'Clients do not follow a 201 by themselves; its figures show what it would take if they did.',
    ],
    warnings,
  };
}

/** Where this lab has no other hosts: handing a connection to one, in a lab that has; or why that is left out. */
async function wayToAnotherHost(lab: Lab, context: ExperimentContext): Promise<Way | string> {
  if (lab.deliveries.some(({ transport }) => transport === 'migrate')) return ALREADY;
  let other: Lab | string;
  try {
    other = await context.startLabWithHosts({ mode: 'handoff', deliveries: 1 });
  } catch (error) {
    // What the other lab lacks must not cost this one its report.
    other = (error as Error).message;
  }
  if (typeof other === 'string') return other;
  const way = waysOf(other).find(({ name }) => name === 'handoff-migrate')!;
  return { ...way, description: `${way.description}; in network namespaces, beside the others' loopback` };
}
