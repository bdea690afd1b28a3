/** An experiment of one's own: a lab in a file, with the visits that are made to it, and what happens meanwhile. */
import { BatonError } from '../../shared/errors.ts';
import type { ReadLab } from '../lab/file/read.ts';
import { usualVisits } from '../lab/file/schema.ts';
import { World } from '../lab/file/world.ts';
import { visitFrom } from '../lab/visit-from.ts';
import type { Chart, Line } from '../report/chart.ts';
import type { Case } from '../report/schema.ts';
import { summariseRounds } from '../report/summarise.ts';
import { formatCounts, formatMicros } from '../terminal/figures.ts';
import { type Turn, timeLines } from './from-file/over-time.ts';
import { experimentNames } from './index.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { compareWays } from './kit/findings.ts';
import { type Way, waysOf } from './kit/ways.ts';

/** Until the generator can begin: its process starts. */
const START_MS = 2000;
const REST_MS = 1500;

export function experimentFrom(read: ReadLab): Experiment {
  const { name, lab, file } = read;
  if (experimentNames.includes(name))
    throw new BatonError('LAB_FILE', {
      where: file,
      problem: `"${name}" is an experiment of Baton's own; write another name`,
    });
  const title = lab.title ?? `visits to the lab of ${file}`;
  const visits = visitsOf(read);
  const ways = lab.ways?.length ?? 4;
  const turnMs = START_MS + visits.warmUp + visits.duration + REST_MS;
  const seconds = { full: (lab.rounds * ways * turnMs) / 1000, quick: (ways * turnMs) / 1000 };
  return {
    name,
    title,
    question: lab.question ?? 'How long do visits take, every way, whatever happens meanwhile?',
    seconds,
    command: `baton lab run ${file}`,
    run: (context) => run(read, turnMs, context),
  };
}

const visitsOf = ({ lab }: ReadLab) => lab.visits ?? usualVisits;

async function run(read: ReadLab, turnMs: number, context: ExperimentContext): Promise<Findings> {
  const { lab: wanted } = read;
  const rounds = context.quick ? 1 : wanted.rounds;
  const world = await World.start(read, context.startLab);
  const turns: Turn[] = [];
  const warnings: string[] = [];
  try {
    const ways = waysOf(world.lab).filter(({ name }) => wanted.ways?.includes(name as never) ?? true);
    context.progress.expect(rounds * ways.length * turnMs);
    for (let round = 1; round <= rounds; round++) {
      for (let turn = 0; turn < ways.length && !context.signal.aborted; turn++) {
        const way = ways[(turn + round - 1) % ways.length]!;
        const label = `round ${round} of ${rounds}: ${way.name}`;
        try {
          const found = await context.progress.during(label, turnMs, () =>
            visitOnce(read, world, way, round, context.signal),
          );
          if (!found) continue;
          turns.push(found);
          warnings.push(...warningsOf(found).map((text) => `${way.name}, round ${round}: ${text}`));
          await world.restore();
        } catch (error) {
          // What was broken did not come back: the lab is of no more use, and what was seen until then stays.
          if (turns.length === 0) throw error;
          warnings.push(`${label}: ${error instanceof Error ? error.message : error}`);
          round = rounds;
          break;
        }
      }
    }
    return findings(read, ways, turns, rounds, warnings);
  } finally {
    await world.close();
  }
}

async function visitOnce(
  read: ReadLab,
  world: World,
  way: Way,
  number: number,
  signal: AbortSignal,
): Promise<Turn | undefined> {
  const { rate, duration, warmUp, arrivals, timeout, paths, requestsPerVisit, lifetime } = visitsOf(read);
  await way.choose();
  const before = await way.lab.head.status();
  const startAt = Date.now() + START_MS;
  const ended = new AbortController();
  const [happened, visits] = await Promise.all([
    world.follow(startAt + warmUp, AbortSignal.any([signal, ended.signal])),
    visitFrom(world.lab.client, {
      urls: paths.flatMap((path) => way.hosts.map((host) => `http://${host}${path}`)),
      rate,
      durationMs: duration,
      warmUpMs: warmUp,
      arrivals,
      seed: number,
      timeoutMs: timeout,
      ...(requestsPerVisit ? { requestsPerVisit } : {}),
      lifetime,
      samples: true,
      startAt,
      signal,
      // What was to happen later is not of these visits.
    }).finally(() => ended.abort()),
  ]);
  if (!visits || visits.visits === 0) return undefined;
  const after = await way.lab.head.status().catch(() => undefined);
  // A head that was started again counts anew.
  const same = after !== undefined && after.pid === before.pid;
  const accepted = same ? after.accepted - before.accepted : 0;
  const micros = same
    ? after.cpu.userMicros + after.cpu.systemMicros - before.cpu.userMicros - before.cpu.systemMicros
    : 0;
  return {
    way: way.name,
    happened,
    round: {
      round: number,
      visits,
      headConnections: Math.max(0, accepted),
      headCpuMicrosPerConnection: accepted > 0 ? micros / accepted : null,
    },
  };
}

const warningsOf = ({ round, happened }: Turn): string[] => [
  ...round.visits.generator.warnings,
  ...happened.flatMap(({ text, problem }) =>
    problem === undefined ? [] : [`"${text}" could not be done: ${problem}`],
  ),
];

function findings(
  read: ReadLab,
  ways: readonly Way[],
  turns: readonly Turn[],
  rounds: number,
  warnings: string[],
): Findings {
  const { lab, kind, file, timetable } = read;
  const visits = visitsOf(read);
  const cases = ways.flatMap((way): Case[] => {
    const own = turns.filter((turn) => turn.way === way.name).map(({ round }) => round);
    if (own.length === 0) return [];
    // Every visit is in the plots; a report of all of them would be too large.
    const kept = own.map((round) => ({ ...round, visits: { ...round.visits, samples: undefined } }));
    const { name, description } = way;
    return [{ name, way: name, x: null, description, rounds: kept, summary: summariseRounds(kept) }];
  });
  const told = cases.map(({ way, summary }) => {
    const { latency, failures } = summary!;
    const failed = Object.values(failures).reduce((sum, each) => sum + each, 0);
    return `${way}: half of all visits took at most ${formatMicros(latency.p50)}, ${failed} of ${summary!.visits} failed`;
  });
  return {
    answer: told.length === 0 ? 'Too little was measured to answer.' : `${told.join('; ')}.`,
    parameters: {
      file,
      lab: kind,
      deliveries: lab.deliveries
        .map(({ name, weight }) => (weight === 1 ? name : `${name} (weight ${weight})`))
        .join(', '),
      policy: lab.head?.policy ?? 'round-robin',
      'visits per second': visits.rate,
      arrivals: visits.arrivals,
      'seconds per turn': visits.duration / 1000,
      'time limit of a visit': `${visits.timeout / 1000} s`,
      paths: visits.paths.join(' '),
      'requests per visit': visits.requestsPerVisit?.text ?? '1',
      lifetime: visits.lifetime?.text ?? 'none',
      rounds,
      timetable:
        timetable.map(({ atMs, text }) => `${atMs / 1000} s: ${text}`).join('; ') || 'nothing happens',
    },
    cases,
    comparisons: compareWays(cases, () => 'all visits'),
    charts: charts(turns, timetable.length > 0),
    tables: [
      {
        title: 'What visitors noticed',
        lead: 'Of all rounds together.',
        columns: ['way', 'visits', 'failed', 'p50', 'p99', 'longest'],
        rows: cases.map(({ way, summary }) => [
          way,
          String(summary!.visits),
          formatCounts(summary!.failures),
          ...[summary!.latency.p50, summary!.latency.p99, summary!.latency.max].map(formatMicros),
        ]),
      },
    ],
    notes: [
      'Times run from the moment a visit was meant to begin, so a delay anywhere, the generator’s own included, is in them.',
      'What happened is marked where it was begun, on the clock of the visits; in each round and way it happens anew, and is mended after it.',
    ],
    warnings,
  };
}

function charts(turns: readonly Turn[], eventful: boolean): Chart[] {
  if (turns.length === 0) return [];
  const lines = timeLines(turns);
  const chart = (title: string, lead: string, unit: string, of: readonly Line[]): Chart => ({
    title,
    lead,
    x: { title: 'since the visits began', unit: 's', log: false },
    y: { title: 'visit', unit, log: unit === 'ms' },
    lines: [...of],
    events: lines.events,
  });
  return [
    chart(
      'Over time: half of the visits',
      'Median of the visits begun in each stretch, all rounds together.',
      'ms',
      lines.p50,
    ),
    chart(
      'Over time: the slowest',
      '99 of 100 visits begun in each stretch took at most this long.',
      'ms',
      lines.p99,
    ),
    ...(eventful || lines.anyFailed
      ? [
          {
            ...chart(
              'Over time: failed',
              'Visits begun in each stretch that failed, per cent.',
              '%',
              lines.failed,
            ),
            y: { title: 'failed', unit: '%', log: false },
          },
        ]
      : []),
  ];
}
