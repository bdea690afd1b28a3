/**
 * Visits, keep-alive connections and WebSockets while whoever accepts them is replaced several times: Baton's head, by each way
 * of handing over, HAProxy with and without passing its listeners on, nginx by HUP and by USR2, and node:cluster.
 */
import type { Chart, Line, Table } from '../report/chart.ts';
import { summariseRounds } from '../report/summarise.ts';
import { formatCounts } from '../terminal/figures.ts';
import { clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { batonArms, rivalArms } from './upgrade/arms.ts';
import { observe, p99s, runMs, type Seen, type Size, TIMEOUT_MS } from './upgrade/observe.ts';

const full: Size = {
  rate: 200,
  keepAlive: 50,
  webSockets: 20,
  talkMs: 250,
  upgrades: 5,
  everyMs: 2500,
  calmMs: 3000,
  afterMs: 1500,
};
const quick: Size = {
  ...full,
  rate: 50,
  keepAlive: 10,
  webSockets: 5,
  upgrades: 2,
  everyMs: 2000,
  calmMs: 1500,
};
/** Of successors, in turns. */
const WORKERS = [4, 2, 1];

export const upgrade: Experiment = {
  name: 'upgrade',
  title: 'the head replaced several times under load, beside HAProxy, nginx and node:cluster',
  question: 'What do visitors, and clients that stay, notice when whoever accepts them is replaced?',
  seconds: { full: 190, quick: 100 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const lab = await context.startLab({
    mode: 'handoff',
    deliveries: 2,
    local: 2,
    links: clientCable,
    headArguments: ['--workers', '1'],
  });
  const { arms: others, missing } = await rivalArms(lab);
  const arms = [...batonArms(lab, WORKERS), ...others];
  context.progress.expect(arms.length * runMs(size));
  const seen: Seen[] = [];
  const broken: string[] = [];
  for (const arm of arms) {
    if (context.signal.aborted) break;
    try {
      const found = await context.progress.during(arm.name, runMs(size), () =>
        observe(lab, arm, size, context.signal),
      );
      if (found) seen.push(found);
    } catch (error) {
      // What has been seen of the others stays.
      if (seen.length === 0) throw error;
      broken.push(`${arm.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return {
    answer: answer(seen),
    parameters: {
      'visits per second': size.rate,
      'keep-alive connections, WebSockets': `${size.keepAlive}, ${size.webSockets}`,
      'a word on each of them every': `${size.talkMs} ms`,
      'seconds before the first upgrade': size.calmMs / 1000,
      upgrades: `${size.upgrades}, one each ${size.everyMs / 1000} s`,
      "workers of Baton's successors": WORKERS.join(', '),
    },
    cases: seen.map(({ arm, visits }) => {
      const round = { round: 1, visits, headConnections: 0, headCpuMicrosPerConnection: null };
      return {
        name: arm.name,
        way: arm.name,
        x: null,
        description: arm.description,
        rounds: [round],
        summary: summariseRounds([round]),
      };
    }),
    charts: seen.length === 0 ? [] : [chart(seen)],
    tables: seen.length === 0 ? [] : [visitsTable(seen), staysTable(seen)],
    notes: [
      'One run each: these are observations of what happens, not averages. The machine runs the clients as well.',
      `A visit fails that has no answer within ${TIMEOUT_MS / 1000} s. Connections that stay are made again when they were ended.`,
      'A proxy closes connections that stay when it has to go, or keeps an old process for them: the last column of the first table is how many processes there are when it has been replaced for the last time.',
      'Half a head: a request whose head comes in two halves, 1.5 s apart. Lingering: a client that goes on sending after the head has refused it, who must not be reset.',
      'HAProxy and nginx pass each request on to the same deliveries; node:cluster is the application itself, and only its workers are replaced.',
      ...missing,
    ],
    warnings: broken.concat(
      seen.flatMap(({ arm, visits }) => visits.generator.warnings.map((text) => `${arm.name}: ${text}`)),
    ),
  };
}

const figure = (ms: number): string => (Number.isNaN(ms) ? '-' : `${ms.toFixed(1)} ms`);
const longestOf = ({ visits }: Seen): number =>
  (visits.samples?.totalMicros ?? []).reduce((most, micros) => Math.max(most, Math.abs(micros)), 0) / 1000;

export function visitsTable(seen: readonly Seen[]): Table {
  return {
    title: 'Visits',
    lead: 'Each on a connection of its own; p99 of those before the first upgrade, and of those from then on until the last was over.',
    columns: [
      'way',
      'upgrades',
      'visits',
      'failed',
      'p99 before',
      'p99 while upgrading',
      'longest',
      'processes',
    ],
    rows: seen.map((each) => {
      const { calm, upgrading } = p99s(each);
      return [
        each.arm.name,
        String(each.replacements.length),
        String(each.visits.visits),
        formatCounts(each.visits.failures),
        figure(calm),
        figure(upgrading),
        figure(longestOf(each)),
        String(each.processes),
      ];
    }),
  };
}

export function staysTable(seen: readonly Seen[]): Table {
  return {
    title: 'Connections that stay, and those that were in the midst of something',
    lead: 'Words without an answer, and connections that were ended, by how; the longest time from a word to its answer.',
    columns: ['way', 'what', 'connections', 'words', 'unanswered', 'ended', 'longest gap'],
    rows: seen.flatMap(({ arm, stays }) =>
      stays
        .filter(({ connections }) => connections > 0)
        .map(({ kind, connections, asked, failed, ended, longestMs }) => [
          arm.name,
          kind,
          String(connections),
          String(asked),
          String(failed),
          formatCounts(ended),
          // Of one that begins with a pause of its own it says nothing.
          kind === 'keep-alive' || kind === 'WebSocket' ? figure(longestMs) : '-',
        ]),
    ),
  };
}

const BIN_MS = 100;

function chart(seen: readonly Seen[]): Chart {
  return {
    title: 'Visits over time',
    lead: `The slowest visit begun in each tenth of a second; one that failed is drawn at its time limit of ${TIMEOUT_MS / 1000} s. Marked: upgrades of ${seen[0]!.arm.name}.`,
    x: { title: 'since the run began', unit: 's', log: false },
    y: { title: 'visit', unit: 'ms', log: true },
    lines: seen.map(({ arm, visits }): Line => {
      const slowest = new Map<number, number>();
      visits.samples!.startMicros.forEach((start, at) => {
        const bin = Math.floor(start / 1000 / BIN_MS);
        const total = visits.samples!.totalMicros[at]!;
        slowest.set(bin, Math.max(slowest.get(bin) ?? 0, total < 0 ? TIMEOUT_MS : total / 1000));
      });
      const points = [...slowest].sort(([one], [other]) => one - other);
      return {
        name: arm.name,
        way: arm.name,
        kind: 'steps',
        points: points.map(([bin, y]) => ({ x: (bin * BIN_MS) / 1000, y })),
      };
    }),
    events: seen[0]!.replacements.map(({ atMs }, at) => ({
      x: atMs / 1000,
      label: at === 0 ? 'upgrade' : '',
    })),
  };
}

function answer(seen: readonly Seen[]): string {
  if (seen.length === 0) return 'Too little was seen to answer.';
  const each = seen.map((one) => {
    const ended = one.stays.reduce(
      (sum, stay) => sum + Object.values(stay.ended).reduce((a, b) => a + b, 0),
      0,
    );
    return `${one.arm.name} ${one.visits.failed} of ${one.visits.visits} visits and ${ended} other connections`;
  });
  return `Through ${seen[0]!.replacements.length} upgrades these were lost: ${each.join(', ')}.`;
}
