/**
 * Two heads share an address, and the one that has it is lost, cut off, killed or frozen, and comes back: what do connections
 * notice that had moved to a delivery, and what do those who come meanwhile? Beside it two proxies in the heads' place.
 */
import type { Lab } from '../lab/lab.ts';
import type { Chart, Table } from '../report/chart.ts';
import { summariseRounds } from '../report/summarise.ts';
import { formatCounts, formatMicros } from '../terminal/figures.ts';
import { type HeadFault, headFaults, type Place, placesOf } from './failover/faults.ts';
import { lastsMs, observe, type Plan, type Seen } from './failover/observe.ts';
import { startProxyPair } from './failover/proxy.ts';
import { BIN_MS } from './failover/result.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';

type Size = Omit<Plan, 'address'>;

const common = { everyMs: 100, visitTimeoutMs: 10_000 };
const full: Size = { ...common, streams: 100, rate: 50, beforeMs: 1500, awayMs: 6000, afterMs: 5000 };
const quick: Size = { ...common, streams: 20, rate: 20, beforeMs: 700, awayMs: 3000, afterMs: 2500 };

export const failover: Experiment = {
  name: 'failover',
  title: 'two heads share an address; the one that has it is lost, cut off, killed or frozen, and comes back',
  question:
    'What do clients notice when the head that has the shared address breaks, and when it comes back?',
  seconds: { full: 200, quick: 45 },
  run,
};

interface Arm {
  readonly name: string;
  readonly description: string;
  readonly address: string;
  readonly places: readonly Place[];
}

interface Observed extends Seen {
  readonly fault: HeadFault;
  readonly arm: Arm;
}

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const lab = await startTwoHeads(context);
  if (typeof lab === 'string') return nothing(lab);
  const places = placesOf(lab);
  const pair = await startProxyPair(lab, places);
  const heads = {
    name: 'handoff-migrate',
    description: 'two heads; deliveries tell both of every connection that has moved',
    address: lab.head.listen,
    places,
  };
  const arms: Arm[] = [
    heads,
    ...(pair
      ? [
          {
            name: 'proxy',
            description: 'HAProxy on both hosts passes every byte on; each has its own connections',
            address: pair.address,
            places: pair.places,
          },
        ]
      : []),
  ];
  const faults = context.quick ? headFaults.slice(0, 1) : headFaults;
  const observed: Observed[] = [];
  const broken: string[] = [];
  try {
    const runs = faults.flatMap((fault) => arms.map((arm) => ({ fault, arm })));
    context.progress.expect(runs.length * lastsMs({ ...size, address: '' }));
    for (const { fault, arm } of runs) {
      if (context.signal.aborted) break;
      const plan = { ...size, address: arm.address };
      const seen = await context.progress.during(`${fault.name}: ${arm.name}`, lastsMs(plan), () =>
        observe(lab, arm.places, fault, plan, context.signal),
      );
      if (seen) observed.push({ ...seen, fault, arm });
    }
  } catch (error) {
    // What was broken did not come back: what was seen until then stays.
    if (observed.length === 0) throw error;
    broken.push((error as Error).message);
  } finally {
    await pair?.stop();
  }
  return findings(observed, faults, size, pair?.version, broken);
}

/** Where the heads have hosts of their own; the reason where they cannot have. */
async function startTwoHeads(context: ExperimentContext): Promise<Lab | string> {
  const wanted = { mode: 'handoff', deliveries: 2, heads: 2 } as const;
  const beside = await context.startLabWithHosts(wanted);
  if (typeof beside !== 'string') return beside;
  if (!/has hosts itself/.test(beside)) return beside;
  // The power and the cables of virtual machines are not the lab's.
  if (/vagrant/.test(beside)) return 'it takes heads whose hosts can be broken: --on netns';
  return await context.startLab(wanted);
}

const nothing = (why: string): Findings => ({
  answer: `Not measured: ${why}.`,
  parameters: {},
  notes: [],
  warnings: [why],
});

function findings(
  observed: readonly Observed[],
  faults: readonly HeadFault[],
  size: Size,
  proxy: string | undefined,
  broken: readonly string[],
): Findings {
  return {
    answer: answer(observed),
    parameters: {
      streams: size.streams,
      'a message of each stream every': `${size.everyMs} ms`,
      'new visits per second': size.rate,
      'time limit of a visit': `${size.visitTimeoutMs / 1000} s`,
      'seconds before the fault, until its end, and after': [size.beforeMs, size.awayMs, size.afterMs]
        .map((ms) => ms / 1000)
        .join(', '),
      'between two adverts of keepalived': '100 ms',
      'keepalived asks whether the head is ready': 'each second; two times no is no',
      HAProxy: proxy ?? 'not installed: sudo apt-get install haproxy',
    },
    x: { title: 'fault', unit: '', labels: faults.map(({ name }) => name) },
    cases: observed.map(({ fault, arm, visits }) => {
      const round = { round: 1, visits, headConnections: 0, headCpuMicrosPerConnection: null };
      return {
        name: `${arm.name}, ${fault.name}`,
        way: arm.name,
        x: faults.indexOf(fault),
        description: arm.description,
        rounds: [round],
        summary: summariseRounds([round]),
      };
    }),
    charts: faults.map((fault) => chart(fault, observed)).filter(({ lines }) => lines.length > 0),
    tables: [table(observed, size)],
    notes: [
      'A stream is a request whose body goes on and on and comes back in its answer: each message takes a packet that finds its way through whoever has the address. The longest stall is the longest that a message was on its way there and back.',
      'A host that is lost has its cable pulled and all that runs on it killed; when it is back nothing of it is left, as after a boot. The other hosts’ kernels repeat what is not acknowledged after 0.2, 0.6, 1.4 s: a stall is one of these above the time in which nobody had the address.',
      'A head that is killed or frozen on a host that lives costs its moved connections nothing: the program at the card goes on. keepalived has asked twice before the address goes to the other one.',
      'One run each: these are observations of what happens, not averages.',
    ],
    warnings: [
      ...broken,
      ...observed.flatMap(({ fault, arm, streams, visits }) => [
        ...visits.generator.warnings.map((text) => `${arm.name}, ${fault.name}: ${text}`),
        ...(streams.open < size.streams
          ? [`${arm.name}, ${fault.name}: ${streams.open} of ${size.streams} streams were open at the start`]
          : []),
      ]),
    ],
  };
}

function table(observed: readonly Observed[], { streams: many }: Size): Table {
  return {
    title: 'What clients noticed',
    lead: 'Of streams that were open when the head broke, until it had been back for a while; and of visits that were begun meanwhile.',
    columns: [
      'fault',
      'way',
      'streams lost',
      'longest stall',
      'messages unanswered',
      'visits',
      'failed',
      'longest',
    ],
    rows: observed.map(({ fault, arm, streams, visits }) => [
      fault.name,
      arm.name,
      `${streams.lost.length} of ${many}`,
      formatMicros(1000 * streams.longestMs),
      String(streams.unanswered),
      String(visits.visits),
      formatCounts(visits.failures),
      formatMicros(visits.latency.max),
    ]),
  };
}

function chart(fault: HeadFault, all: readonly Observed[]): Chart {
  const observed = all.filter((each) => each.fault === fault);
  const middle = (of: (each: Seen) => number) =>
    observed.reduce((sum, each) => sum + of(each), 0) / Math.max(1, observed.length) / 1000;
  return {
    title: `Over time: ${fault.name}`,
    lead: 'The slowest message, there and back, of those that were sent in each tenth of a second; nothing where none came back.',
    x: { title: 'since the run began', unit: 's', log: false },
    y: { title: 'message', unit: 'ms', log: true },
    lines: observed.map(({ arm, streams }) => ({
      name: arm.name,
      way: arm.name,
      kind: 'steps' as const,
      points: streams.slowestMs.map((y, bin) => ({ x: (bin * BIN_MS) / 1000, y })),
    })),
    events: [
      { x: middle(({ faultMs }) => faultMs), label: fault.marks[0] },
      { x: middle(({ backMs }) => backMs), label: fault.marks[1] },
    ],
  };
}

function answer(observed: readonly Observed[]): string {
  if (observed.length === 0) return 'Too little was seen to answer.';
  const of = ({ fault, arm, streams, visits }: Observed) =>
    `${fault.name}, ${arm.name}: ${streams.lost.length} of ${streams.open} streams lost, longest stall ${streams.longestMs.toFixed(0)} ms, ${visits.failed} of ${visits.visits} visits failed`;
  return `${observed.map(of).join('; ')}.`;
}
