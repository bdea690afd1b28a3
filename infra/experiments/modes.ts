import type { HeadStatus, Mode } from '../../shared/status.ts';
import type { Lab } from '../lab/lab.ts';
import { visitFrom } from '../lab/visit-from.ts';
import type { Case, Round } from '../report/schema.ts';
import { summariseRounds } from '../report/summarise.ts';
import type { VisitResult } from '../visits/result.ts';
import type { Experiment, ExperimentContext, Findings } from './experiment.ts';
import { compareModes } from './modes-answer.ts';
import { type Load, saturateInTurns, saturationMs } from './saturate.ts';

/**
 * The same visits to the same two deliveries: straight to them, and through a head that hands over, answers 307 or
 * answers 201. All four take turns, round after round, so that whatever else the machine does falls on all of them;
 * the head stays the same process and is switched while it runs.
 */

const ways: readonly { name: string; mode: Mode | undefined; description: string }[] = [
  {
    name: 'direct',
    mode: undefined,
    description: 'straight to a delivery, without the head: the least that a visit takes',
  },
  {
    name: 'handoff',
    mode: 'handoff',
    description: 'the head hands the connection to a delivery, which answers on it',
  },
  {
    name: 'redirect',
    mode: 'redirect',
    description: 'the head answers 307 with the address of a delivery; the client connects again',
  },
  {
    name: 'created',
    mode: 'created',
    description: 'the head answers 201 with the address of a delivery; followed here as a 307 is',
  },
];

/** Different targets, so that a policy which looks at the path has something to choose by. */
const paths = ['/bytes/1000?page=1', '/bytes/1000?page=2', '/bytes/1000?page=3', '/bytes/1000?page=4'];

interface Size {
  readonly rounds: number;
  /** Visits per second. */
  readonly rate: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly openConnections: Load;
}

const full: Size = {
  rounds: 4,
  rate: 400,
  warmUpMs: 300,
  durationMs: 1300,
  openConnections: { connections: 16, seconds: 1, turns: 2 },
};
const quick: Size = {
  ...full,
  rounds: 1,
  warmUpMs: 200,
  durationMs: 500,
  openConnections: { connections: 16, seconds: 1, turns: 1 },
};
/** What a round takes beyond its load: a process starts, the head is asked how it is. */
const overheadMs = 500;

export const modesExperiment: Experiment = {
  name: 'modes',
  title: 'every mode next to the direct way: what a visit takes and what it costs the head (about 45 s)',
  question:
    'Is it better to hand a connection over than to tell the client to go elsewhere, and by how much?',
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const roundMs = size.warmUpMs + size.durationMs + overheadMs;
  const startMs = 1000;
  context.progress.expect(startMs + size.rounds * ways.length * roundMs + saturationMs(size.openConnections));

  const lab = await context.progress.during('starting a head and two deliveries', startMs, () =>
    context.startLab({ mode: 'handoff', deliveries: 2 }),
  );
  const cases: Case[] = ways.map(({ name, description }) => ({
    name,
    description,
    rounds: [],
    summary: null,
  }));
  for (let round = 1; round <= size.rounds; round++) {
    for (const [index, way] of ways.entries()) {
      if (context.signal.aborted) break;
      const label = `round ${round} of ${size.rounds}: ${way.name}`;
      const measured = await context.progress.during(label, roundMs, () =>
        measure(lab, way.mode, round, size, context.signal),
      );
      if (measured) cases[index]!.rounds.push(measured);
    }
  }
  const saturation = await saturateInTurns(lab, paths[0]!, size.openConnections, context);

  for (const each of cases) each.summary = summariseRounds(each.rounds);
  return {
    answer: compareModes(cases),
    parameters: {
      'visits per second': size.rate,
      arrivals: 'poisson, the same in every case of a round',
      rounds: size.rounds,
      'seconds per round and case': size.durationMs / 1000,
      'warm-up seconds before each': size.warmUpMs / 1000,
      'requests per visit': 1,
      paths: paths.join(' '),
      deliveries: lab.deliveries.length,
      policy: (await statusOrUndefined(lab))?.policy ?? 'unknown',
    },
    cases,
    saturation,
    notes: [
      "Times run from the moment a visit was meant to begin, so a delay anywhere, the generator's own included, is in them.",
      'Over loopback a round trip takes almost no time. Between real hosts the second connection of a redirect costs two more round trips, which these figures do not show.',
      'At this modest rate the head sleeps between connections and each one pays for waking it, so the CPU time of a connection is several times what it is under full load; the bench measures that.',
      'Clients do not follow a 201 by themselves; its figures show what it would take if they did.',
    ],
    warnings: warningsOf(cases),
  };
}

async function measure(
  lab: Lab,
  mode: Mode | undefined,
  round: number,
  size: Size,
  signal: AbortSignal,
): Promise<Round | undefined> {
  const hosts = mode ? [lab.head.listen] : lab.deliveries.map((delivery) => delivery.direct);
  if (mode) await lab.head.setMode(mode);
  const before = await lab.head.status();
  const visits = await visitFrom(lab.client, {
    urls: paths.flatMap((path) => hosts.map((host) => `http://${host}${path}`)),
    rate: size.rate,
    warmUpMs: size.warmUpMs,
    durationMs: size.durationMs,
    arrivals: 'poisson',
    seed: round,
    timeoutMs: 5000,
    samples: true,
    signal,
  });
  // A round that was cut off before it measured anything says nothing.
  if (!visits || visits.visits === 0) return undefined;
  const after = await lab.head.status();
  const accepted = after.accepted - before.accepted;
  return {
    round,
    visits,
    headConnections: accepted,
    headCpuMicrosPerConnection: accepted > 0 ? (cpuOf(after) - cpuOf(before)) / accepted : null,
  };
}

const cpuOf = (status: HeadStatus) => status.cpu.userMicros + status.cpu.systemMicros;

async function statusOrUndefined(lab: Lab): Promise<HeadStatus | undefined> {
  return lab.head.status().catch(() => undefined);
}

function warningsOf(cases: readonly Case[]): string[] {
  return cases.flatMap(({ name, rounds }) =>
    rounds.flatMap(({ round, visits }) =>
      [...visits.generator.warnings, ...otherWay(name, visits)].map(
        (text) => `${name}, round ${round}: ${text}`,
      ),
    ),
  );
}

/** A head that falls back to a redirect would have its handoffs measured as something else. */
function otherWay(name: string, { redirects, visits, failed }: VisitResult): string[] {
  const expected = expectedRedirect[name];
  const wrong = Object.entries(redirects).filter(([status]) => status !== expected);
  const followed = redirects[expected ?? ''] ?? 0;
  return [
    ...wrong.map(([status, count]) => `${count} visits of ${visits} were answered ${status} on their way`),
    ...(expected !== undefined && followed < visits - failed
      ? [`only ${followed} visits of ${visits} were answered ${expected}`]
      : []),
  ];
}

const expectedRedirect: Readonly<Record<string, string>> = { redirect: '307', created: '201' };
