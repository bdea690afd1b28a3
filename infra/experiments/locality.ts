/**
 * Deliveries with a cache each and a disk behind it, and more pages than one cache holds: what comes of sending each page where
 * it was sent before (LARD: Pai et al., ASPLOS 1998), beside weighted round robin and a hash of the path; and of placing
 * connections that are kept alive once, or request by request (Aron et al., USENIX 1999).
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../shared/errors.ts';
import type { Lab } from '../lab/lab.ts';
import type { Chart, Table } from '../report/chart.ts';
import { formatMicros } from '../terminal/figures.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { allRegistered } from './kit/registered.ts';
import {
  type Arm,
  CACHE,
  fullArms,
  MIDDLE,
  type Placement,
  POLICIES,
  placements,
  quickArms,
} from './locality/arms.ts';
import { type Answer, answerSchema, type Orders } from './locality/result.ts';

/** Breslau et al. (INFOCOM 1999) found 0.64 to 0.83 at proxies of the web. */
const EXPONENT = 0.8;
const CLIENTS_A_DELIVERY = 16;
const full = { arms: fullArms, warmUpMs: 2500, durationMs: 2000 };
const quick = { arms: quickArms, warmUpMs: 1500, durationMs: 1000 };
const START_MS = 1500;

export const locality: Experiment = {
  name: 'locality',
  title: 'caches smaller than what is asked for: LARD, a hash and round robin, by connection and by request',
  question: 'What is it worth to send a request where its answer is cached?',
  seconds: { full: 210, quick: 18 },
  run,
};

interface Seen extends Answer {
  readonly arm: Arm;
}

// Built, they are .js files as this one is.
const fileOf = (name: string) =>
  fileURLToPath(new URL(`./locality/${name}${extname(import.meta.url)}`, import.meta.url));

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const { progress, signal } = context;
  const seen: Seen[] = [];
  const fleets = [...new Set(size.arms.map(({ deliveries }) => deliveries))];
  progress.expect(size.arms.length * (size.warmUpMs + size.durationMs) + fleets.length * START_MS);
  for (const deliveries of fleets) {
    if (signal.aborted) break;
    const lab = await progress.during(`starting ${deliveries} deliveries`, START_MS, () =>
      context.startLab({
        mode: 'handoff',
        deliveries: 0,
        local: deliveries,
        deliveryArguments: ['--app', fileOf('app-main')],
      }),
    );
    for (const arm of size.arms.filter((each) => each.deliveries === deliveries)) {
      if (signal.aborted) break;
      const { policy, placement, caches } = arm;
      const label = `${policy}, ${placements[placement].title}, ${caches} caches`;
      const answer = await progress.during(label, size.warmUpMs + size.durationMs, () =>
        measure(lab, arm, size, signal),
      );
      if (answer) seen.push({ ...answer, arm });
    }
    await lab.stop();
  }
  return {
    answer: answer(seen),
    parameters: {
      'a cache holds': `${CACHE} pages, and forgets what was asked for least recently`,
      'a page that is not in it': 'takes 10 ms of a disk that reads one page at a time',
      popularity: `Zipf, exponent ${EXPONENT}`,
      clients: `${CLIENTS_A_DELIVERY} for each delivery, each of which asks for the next page when it has the last`,
      'requests on a connection that is kept alive': placements.connection.requests,
      'seconds of each': `${size.durationMs / 1000}, after ${size.warmUpMs / 1000} in which the caches fill`,
    },
    charts: seen.length === 0 ? [] : chartsOf(seen),
    tables: seen.length === 0 ? [] : tablesOf(seen),
    notes: [
      'The papers: LARD on 8 and more nodes has 2 to 4 times the throughput of weighted round robin (Pai et al., section 4); placing each request of a connection that is kept alive has up to 26 % more than placing the connection (Aron et al., section 7).',
      'LARD counts connections for requests: those that rest count as well.',
    ],
    warnings: seen
      .filter(({ failed }) => failed > 0)
      .map(({ arm, failed }) => `${arm.policy}, ${arm.placement}: ${failed} requests had no answer`),
  };
}

async function measure(
  lab: Lab,
  { policy, placement, caches, deliveries }: Arm,
  { warmUpMs, durationMs }: typeof full,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const distribute = placement === 'request' ? 'requests' : 'connections';
  await lab.head.restart('stop', { more: ['--policy', policy, '--distribute', distribute] });
  await allRegistered(lab);
  const orders: Orders = {
    address: lab.head.listen,
    direct: lab.deliveries.map(({ direct }) => direct),
    cacheSize: CACHE,
    pages: CACHE * caches,
    exponent: EXPONENT,
    clients: CLIENTS_A_DELIVERY * deliveries,
    requests: placements[placement].requests,
    warmUpMs,
    durationMs,
    seed: 1,
  };
  const command = [process.execPath, fileOf('client-main'), JSON.stringify(orders)];
  const text = await lab.client.run(command, { signal });
  if (signal.aborted) return undefined;
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch (error) {
    const problem = 'the clients of locality answered something that is not their result';
    throw new BatonError('LAB_FAILED', { problem }, error);
  }
}

const rateOf = ({ answers, seconds }: Seen): number => answers / seconds;
const hitsOf = ({ answers, hits }: Seen): number => (answers === 0 ? 0 : (100 * hits) / answers);

const find = (seen: readonly Seen[], wanted: Partial<Arm>): Seen | undefined =>
  seen.find(({ arm }) => (Object.keys(wanted) as (keyof Arm)[]).every((key) => arm[key] === wanted[key]));

function tablesOf(seen: readonly Seen[]): Table[] {
  return (Object.keys(placements) as Placement[]).flatMap((placement) => {
    const rows = seen.filter(({ arm }) => arm.placement === placement);
    if (rows.length === 0) return [];
    return {
      title: placements[placement].title,
      lead: 'Beside each other what the same clients got of the same deliveries.',
      columns: [
        'deliveries, pages',
        'policy',
        'requests/s',
        'of round robin',
        'from a cache',
        'median',
        '99 %',
      ],
      rows: rows.map((each) => {
        const { deliveries, caches, policy } = each.arm;
        const base = find(seen, { ...each.arm, policy: 'weighted' });
        return [
          `${deliveries}, ${caches * CACHE}`,
          policy,
          rateOf(each).toFixed(0),
          base ? `${(rateOf(each) / rateOf(base)).toFixed(2)} x` : '-',
          `${hitsOf(each).toFixed(1)} %`,
          formatMicros(each.p50Micros),
          formatMicros(each.p99Micros),
        ];
      }),
    };
  });
}

function chartsOf(seen: readonly Seen[]): Chart[] {
  const over = (key: 'caches' | 'deliveries', title: string): Chart => ({
    title: `Requests a second, by ${title}`,
    lead: `A connection for each request; ${key === 'caches' ? 'four deliveries' : 'pages for four caches'}.`,
    x: { title, unit: '', log: true },
    y: { title: 'requests a second', unit: '', log: false },
    lines: POLICIES.map((policy) => ({
      name: policy,
      way: null,
      kind: 'measured' as const,
      points: seen
        .filter(({ arm }) => arm.policy === policy && arm.placement === 'each')
        .filter(({ arm }) => (key === 'caches' ? arm.deliveries : arm.caches) === 4)
        .map((each) => ({ x: each.arm[key], y: rateOf(each) }))
        .sort((a, b) => a.x - b.x),
    })),
    events: [],
  });
  return [over('caches', 'caches that the pages would fill'), over('deliveries', 'deliveries')];
}

function answer(seen: readonly Seen[]): string {
  const of = (wanted: Partial<Arm>) => find(seen, { ...MIDDLE, ...wanted });
  const [base, own] = [
    of({ placement: 'each', policy: 'weighted' }),
    of({ placement: 'each', policy: 'lard' }),
  ];
  if (!base || !own || base.answers === 0) return 'Too little was measured to answer.';
  const times = (a: Seen, b: Seen) => (rateOf(a) / rateOf(b)).toFixed(1);
  const [once, each] = (['connection', 'request'] as const).map((placement) =>
    of({ placement, policy: 'lard' }),
  );
  const kept =
    once && each && once.answers > 0
      ? ` Of connections that are kept alive it had ${times(each, once)} times as much by request as by connection (${hitsOf(each).toFixed(0)} % and ${hitsOf(once).toFixed(0)} % from a cache).`
      : '';
  return `With pages for four caches on four deliveries LARD had ${times(own, base)} times the throughput of weighted round robin, and ${hitsOf(own).toFixed(0)} % of its answers came from a cache (${hitsOf(base).toFixed(0)} %).${kept}`;
}
