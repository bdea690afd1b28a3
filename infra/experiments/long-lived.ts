/**
 * Clients that stay, with WebSockets and server-sent events, plain and over TLS, while the head is killed and comes back
 * later: what do they notice, and what do those who come meanwhile? A connection that was handed over, or that a redirect has
 * led past the head, is the delivery's alone, so nothing of it should be lost. Where HAProxy is installed it is the proxy
 * that every byte goes through, which shows what that would be otherwise.
 */
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../shared/errors.ts';
import { parseHostPort } from '../../shared/units.ts';
import type { Lab } from '../lab/lab.ts';
import type { Chart, Table } from '../report/chart.ts';
import { cableOf, clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { allRegistered } from './kit/registered.ts';
import { haproxy, type Rival, startRival, versionOn } from './kit/rivals.ts';
import { waysOf } from './kit/ways.ts';
import { answerSchema, BIN_MS, type Counts, type Orders } from './long-lived/result.ts';

const ROUND_TRIP_MS = 10;
/** Until everything is open: a process starts. */
const START_MS = 4000;
const EVERY_MS = 50;
const NEW_EVERY_MS = 100;
const full = { connections: 10, beforeMs: 1500, awayMs: 2000, afterMs: 2500 };
const quick = { connections: 5, beforeMs: 500, awayMs: 700, afterMs: 1500 };
type Size = typeof full;

export const longLived: Experiment = {
  name: 'long-lived',
  title:
    'WebSockets and server-sent events, plain and over TLS, while the head is killed and away, every way',
  question: 'What do clients that stay notice when the head is killed and comes back, and what do new ones?',
  seconds: { full: 75, quick: 50 },
  run,
};

/** A way to a delivery, and what is killed on it. */
interface Arm {
  readonly name: string;
  readonly description: string;
  readonly hosts: readonly string[];
  choose(): Promise<void>;
  killAndRestart(awayMs: number): Promise<void>;
}

interface Seen {
  readonly arm: Arm;
  /** Milliseconds since the measurement began. */
  readonly killedMs: number;
  readonly backMs: number;
  readonly counts: readonly Counts[];
}

async function run(context: ExperimentContext): Promise<Findings> {
  const size = context.quick ? quick : full;
  const lab = await context.startLab({
    mode: 'handoff',
    deliveries: 1,
    local: 1,
    links: clientCable,
    tls: 'everywhere',
  });
  const cable = await cableOf(lab, [ROUND_TRIP_MS]);
  await cable.set(cable.roundTrips[0]!);
  const version = await versionOn(lab.head.host, haproxy.version);
  const proxy = version === undefined ? undefined : await startProxy(lab);
  const seen: Seen[] = [];
  try {
    const arms = [...armsOf(lab), ...(proxy ? [proxyArm(proxy)] : [])];
    const armMs = START_MS + size.beforeMs + size.awayMs + size.afterMs + 1500;
    context.progress.expect(arms.length * armMs);
    for (const arm of arms) {
      if (context.signal.aborted) break;
      const found = await context.progress.during(arm.name, armMs, () =>
        observe(lab, arm, size, context.signal),
      );
      if (found) seen.push(found);
    }
  } finally {
    await proxy?.stop();
  }
  return {
    answer: answer(seen),
    parameters: {
      'connections of each kind': size.connections,
      kinds: 'WebSocket (an echo), server-sent events; each plain and over TLS',
      'a message of each connection every': `${EVERY_MS} ms`,
      'a new connection of each kind every': `${NEW_EVERY_MS} ms`,
      'round trip': `${cable.roundTrips[0]} ms`,
      'seconds before the head is killed, until it is started again, and after': [
        size.beforeMs,
        size.awayMs,
        size.afterMs,
      ]
        .map((ms) => ms / 1000)
        .join(', '),
      HAProxy: version ?? `not installed: sudo apt-get install ${haproxy.package}`,
    },
    charts: seen.length === 0 ? [] : [chart(seen, size)],
    tables: seen.length === 0 ? [] : [table(seen, size)],
    notes: [
      `A message is lost when it did not come back, or was due while its client had no connection. Clients that have lost theirs try again each tenth of a second. The longest gap is the longest time in which a client got nothing; ${EVERY_MS} ms is what it would be if nothing else took time.`,
      'New connections while away: those begun from the moment of the kill until the head was ready again, and how many of them never brought a message.',
      'Over TLS a redirect and a 201 are the head’s own answers, and here WebSocket clients follow them; without TLS the head hands their upgrades over in these modes, as browsers follow none.',
      'The times are the kernel’s, of when messages arrived at the client; what the deliveries need to write them is in the gaps.',
      ...(proxy
        ? [
            'proxy: HAProxy in the head’s place (mode tcp, one thread), killed and started again in the same way.',
          ]
        : ['A proxy is not among these: HAProxy is not installed.']),
      ...(cable.note ? [cable.note] : []),
    ],
    warnings: seen.flatMap(({ arm, counts, killedMs }) => [
      ...counts
        .filter(({ late }) => late > 0)
        .map(
          (each) =>
            `${arm.name}: ${each.late} connections (${kindOf(each)}) were not open when the measurement began`,
        ),
      ...(killedMs < size.beforeMs / 2 ? [`${arm.name}: the head was killed before much could be seen`] : []),
    ]),
  };
}

const armsOf = (lab: Lab): Arm[] =>
  waysOf(lab).map((way) => ({
    name: way.name,
    description: way.description,
    hosts: way.hosts,
    choose: () => way.choose(),
    async killAndRestart(awayMs) {
      await lab.head.restart('kill', { awayMs });
      await allRegistered(lab);
      // A new head goes the way that it was started with.
      await way.choose();
    },
  }));

/** To the delivery that clients would be sent to. */
function startProxy(lab: Lab): Promise<Rival> {
  const at = parseHostPort(lab.head.listen)!.host;
  const target = waysOf(lab).find(({ mode }) => mode === undefined)!.hosts[0]!;
  return startRival(
    lab.head.host,
    haproxy,
    at,
    (address) => `listen proxy
  mode tcp
  bind ${address}
  server delivery ${target}`,
  );
}

const proxyArm = (proxy: Rival): Arm => ({
  name: 'proxy',
  description: 'HAProxy passes every byte on to a delivery',
  hosts: [proxy.address],
  choose: async () => {},
  killAndRestart: (awayMs) => proxy.killAndRestart(awayMs),
});

// Built, it is a .js file as this one is.
const program = fileURLToPath(
  new URL(`./long-lived/client-main${extname(import.meta.url)}`, import.meta.url),
);

async function observe(
  lab: Lab,
  arm: Arm,
  { connections, beforeMs, awayMs, afterMs }: Size,
  signal: AbortSignal,
): Promise<Seen | undefined> {
  await arm.choose();
  const startAt = Date.now() + START_MS;
  const orders: Orders = {
    hosts: [...arm.hosts],
    caFile: lab.certificate!,
    connections,
    everyMs: EVERY_MS,
    newEveryMs: NEW_EVERY_MS,
    startAt,
    durationMs: beforeMs + awayMs + afterMs,
  };
  // Whatever happens meanwhile, the clients are waited for: nothing may go on in the background.
  const [killed, text] = await Promise.all([
    killAt(startAt + beforeMs, arm, awayMs, signal).catch((error: unknown) => ({ error })),
    lab.client.run([process.execPath, program, JSON.stringify(orders)], { signal }),
  ]);
  if (signal.aborted) return undefined;
  if ('error' in killed) throw killed.error;
  return { arm, killedMs: killed.at - startAt, backMs: killed.back - startAt, counts: parse(text) };
}

async function killAt(at: number, arm: Arm, awayMs: number, signal: AbortSignal) {
  await delay(Math.max(0, at - Date.now()), undefined, { signal }).catch(() => {});
  const killed = Date.now();
  await arm.killAndRestart(awayMs);
  return { at: killed, back: Date.now() };
}

function parse(text: string): Counts[] {
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch (error) {
    const problem = 'the client of long connections answered something that is not its result';
    throw new BatonError('LAB_FAILED', { problem }, error);
  }
}

const kindOf = ({ what, overTls }: Counts): string => `${what}${overTls ? ' over TLS' : ''}`;

/** Of those begun while nobody was there. */
function newWhileAway({ newAtMs, newTookMs }: Counts, { killedMs, backMs }: Seen) {
  const begun = newTookMs.filter((_, index) => newAtMs[index]! >= killedMs && newAtMs[index]! < backMs);
  return { all: begun.length, failed: begun.filter((took) => took < 0).length };
}

function table(seen: readonly Seen[], { connections }: Size): Table {
  return {
    title: 'What clients noticed of a head that was killed',
    lead: 'Sums over all connections of a kind; the longest gap of any of them.',
    columns: [
      'way',
      'what',
      'connections lost',
      'messages lost',
      'longest gap',
      'new connections while away: failed',
    ],
    rows: seen.flatMap((each) =>
      each.counts.map((counts) => {
        const { all, failed } = newWhileAway(counts, each);
        return [
          each.arm.name,
          kindOf(counts),
          `${counts.connectionsLost} of ${connections}`,
          `${counts.lost} of ${counts.due}`,
          `${counts.longestGapMs.toFixed(0)} ms`,
          `${failed} of ${all}`,
        ];
      }),
    ),
  };
}

function chart(seen: readonly Seen[], { connections }: Size): Chart {
  const middle = (of: (each: Seen) => number) =>
    seen.reduce((sum, each) => sum + of(each), 0) / seen.length / 1000;
  return {
    title: 'Messages over time',
    lead: 'Messages that came in each tenth of a second, of all connections, as a share of those that were due.',
    x: { title: 'since the run began', unit: 's', log: false },
    y: { title: 'came', unit: '%', log: false },
    lines: seen.map(({ arm, counts }) => {
      const due = (counts.length * connections * BIN_MS) / EVERY_MS;
      const bins = counts[0]!.came.map((_, bin) =>
        counts.reduce((sum, { came }) => sum + (came[bin] ?? 0), 0),
      );
      return {
        name: arm.name,
        way: arm.name,
        kind: 'steps' as const,
        points: bins.map((came, bin) => ({ x: (bin * BIN_MS) / 1000, y: (100 * came) / due })),
      };
    }),
    events: [
      { x: middle(({ killedMs }) => killedMs), label: 'killed' },
      { x: middle(({ backMs }) => backMs), label: 'back' },
    ],
  };
}

function answer(seen: readonly Seen[]): string {
  if (seen.length === 0) return 'Too little was seen to answer.';
  const lossOf = ({ counts }: Seen) => counts.reduce((sum, { lost }) => sum + lost, 0);
  const of = (each: Seen) => {
    const connections = each.counts.reduce((sum, { connectionsLost }) => sum + connectionsLost, 0);
    const gap = Math.max(...each.counts.map(({ longestGapMs }) => longestGapMs));
    return `${each.arm.name} ${connections} connections and ${lossOf(each)} messages (longest gap ${gap.toFixed(0)} ms)`;
  };
  const away = seen.map((each) => {
    const news = each.counts.map((counts) => newWhileAway(counts, each));
    const [all, failed] = (['all', 'failed'] as const).map((key) =>
      news.reduce((sum, one) => sum + one[key], 0),
    );
    return `${failed} of ${all} by ${each.arm.name}`;
  });
  return `When the head was killed these were lost: ${seen.map(of).join(', ')}. Of new connections while it was away failed ${away.join(', ')}.`;
}
