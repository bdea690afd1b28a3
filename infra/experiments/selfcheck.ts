/**
 * Are the generator's own timings right? The same visits are timed twice: by the generator, and from the timestamps that
 * the kernel gave their packets at the client's network card (tcpdump). The generator's times must be a little longer: it
 * looks at the clock before the first packet leaves, and TCP takes a packet somewhat after the card. Over TLS a client has
 * work to do between packets, and must not take its own for the server's: that is held against the packets as well.
 */
import { parseHostPort } from '../../shared/units.ts';
import { type Segment, startCapture } from '../lab/capture.ts';
import type { Lab } from '../lab/lab.ts';
import { visitFrom } from '../lab/visit-from.ts';
import type { Table } from '../report/chart.ts';
import { formatDifference, formatMicros } from '../terminal/figures.ts';
import { createHistogram } from '../visits/histogram.ts';
import type { VisitResult } from '../visits/result.ts';
import { cableOf, clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { waysOf } from './kit/ways.ts';

const RATE = 100;
const ROUND_TRIP_MS = 20;
/** Until the engine has compiled what it runs often. */
const WARM_UP_MS = 2000;
const full = { durationMs: 10_000 };
const quick = { durationMs: 3000 };
/** What the two may differ at p50 and p99. */
export const ALLOWED_MICROS = 200;

export const selfcheck: Experiment = {
  name: 'selfcheck',
  title: "the generator's own timings, against tcpdump's of the same packets",
  question: 'Can the times that visits report be trusted?',
  seconds: { full: 30, quick: 15 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { durationMs } = context.quick ? quick : full;
  const lab = await context.startLab({ mode: 'handoff', deliveries: 1, links: clientCable, tls: true });
  const cable = await cableOf(lab, [ROUND_TRIP_MS]);
  await cable.set(cable.roundTrips[0]!);
  context.progress.expect(2 * (WARM_UP_MS + durationMs + 2000));
  const plain = await timeTwice(context, lab, 'http', durationMs);
  const secure = await timeTwice(context, lab, 'https', durationMs);
  const rows = plain ? compareTimings(plain, plainTimings) : [];
  const tlsRows = secure ? compareTimings(secure, [...plainTimings, ...tlsTimings]) : [];
  const worst = Math.max(0, ...[...rows, ...tlsRows].flatMap(({ off }) => off.map(Math.abs)));
  const matched = (rows[0]?.count ?? 0) + (tlsRows[0]?.count ?? 0);
  return {
    answer:
      matched === 0
        ? 'Too little was measured to answer.'
        : `The generator’s own times and those of the packets differ by at most ${formatMicros(worst)} at p50 and p99, over ${matched} visits, half of them over TLS${worst <= ALLOWED_MICROS ? '' : `: more than the ${formatMicros(ALLOWED_MICROS)} that are allowed, so something kept the generator from its processor`}.`,
    parameters: {
      'visits per second': RATE,
      seconds: durationMs / 1000,
      'round trip': `${cable.roundTrips[0]} ms`,
      allowed: formatMicros(ALLOWED_MICROS),
    },
    tables: [
      table('The same visits, timed twice', rows),
      table('The same visits over TLS, timed twice', tlsRows),
    ],
    notes: [
      'The kernel stamps a packet when it leaves or arrives at the client’s card. The generator starts its clock just before the call that sends the SYN, and takes from the kernel how long the handshake took and when the last bytes came: how long it takes itself to wake up is in no figure.',
      'Over TLS the server’s part is the time from the last packet of each of the client’s turns to the last one of the server’s. The generator’s own figure is what a visit takes after connecting, less what the generator says that it took itself.',
      ...(cable.note ? [cable.note] : []),
    ],
    warnings: worst > ALLOWED_MICROS ? ['the machine was too busy for times to be right to 0.2 ms'] : [],
  };
}

interface Twice {
  readonly visits: VisitResult;
  readonly segments: readonly Segment[];
}

async function timeTwice(
  { progress, signal }: ExperimentContext,
  lab: Lab,
  scheme: 'http' | 'https',
  durationMs: number,
): Promise<Twice | undefined> {
  const host = waysOf(lab)[0]!.hosts[0]!;
  return await progress.during(`visiting by ${scheme}`, WARM_UP_MS + durationMs + 2000, async () => {
    const capture = await startCapture(lab.client, parseHostPort(host)!.port);
    try {
      const visits = await visitFrom(lab.client, {
        urls: [`${scheme}://${host}/bytes/1000`],
        rate: RATE,
        durationMs,
        warmUpMs: WARM_UP_MS,
        samples: true,
        tls: { caFile: lab.certificate! },
        signal,
      });
      const segments = await capture.stop();
      return visits && { visits, segments };
    } catch (error) {
      await capture.stop();
      throw error;
    }
  });
}

interface TimingRow {
  readonly name: string;
  readonly count: number;
  /** p50 and p99, microseconds. */
  readonly own: readonly [number, number];
  readonly packets: readonly [number, number];
  readonly off: readonly [number, number];
}

/** One visit, as the generator has it, and its packets. Microseconds. */
interface Own {
  readonly connect: number;
  readonly secure: number;
  readonly whole: number;
  readonly work: number;
}
type Packets = NonNullable<ReturnType<typeof wireTimes>>;

interface Timing {
  readonly name: string;
  own(visit: Own): number;
  packets(packets: Packets): number;
}

const plainTimings: readonly Timing[] = [
  { name: 'connect: SYN to SYN-ACK', own: ({ connect }) => connect, packets: ({ connect }) => connect },
  { name: 'visit: SYN to last byte', own: ({ whole }) => whole, packets: ({ whole }) => whole },
];

const tlsTimings: readonly Timing[] = [
  {
    name: 'secure: SYN-ACK to the handshake’s last packet',
    own: ({ secure }) => secure,
    packets: ({ secure }) => secure,
  },
  {
    name: 'the server’s part of all after SYN-ACK',
    own: ({ whole, connect, work }) => whole - connect - work,
    packets: ({ server }) => server,
  },
];

/** Of visits whose packets were all seen; whole visits from their actual start. */
function compareTimings({ visits, segments }: Twice, timings: readonly Timing[]): TimingRow[] {
  const byPort = new Map<number, Segment[]>();
  for (const segment of segments) {
    for (const port of [segment.sourcePort, segment.destinationPort])
      byPort.set(port, [...(byPort.get(port) ?? []), segment]);
  }
  const { ports, totalMicros, lateMicros, connectMicros, secureMicros, workMicros } = visits.samples!;
  const found = ports.flatMap((port, index) => {
    const packets = wireTimes(byPort.get(port) ?? [], port);
    if (!packets || totalMicros[index]! < 0) return [];
    const own: Own = {
      connect: connectMicros[index]!,
      secure: secureMicros[index]!,
      whole: totalMicros[index]! - lateMicros[index]!,
      work: workMicros[index]!,
    };
    return [{ own, packets }];
  });
  return timings.map((timing) =>
    row(
      timing.name,
      found.map(({ own }) => timing.own(own)),
      found.map(({ packets }) => timing.packets(packets)),
    ),
  );
}

/** Of the connection from this port of the client. */
function wireTimes(segments: readonly Segment[], port: number) {
  const syn = segments.find(({ sourcePort, syn, ack }) => sourcePort === port && syn && !ack);
  const synAck = segments.find(({ destinationPort, syn, ack }) => destinationPort === port && syn && ack);
  // The request; over TLS 1.3 the hello and the request. What follows is goodbyes.
  const turns = turnsOf(segments, port).slice(0, 2);
  const last = turns.at(-1);
  if (!syn || !synAck || !last) return undefined;
  return {
    connect: synAck.micros - syn.micros,
    whole: last.answered - syn.micros,
    secure: turns[0]!.answered - synAck.micros,
    server: turns.reduce((sum, { asked, answered }) => sum + answered - asked, 0),
  };
}

/** Client and server speak in turns: when the last packet of each was there, for each turn that was answered. */
function turnsOf(segments: readonly Segment[], port: number): { asked: number; answered: number }[] {
  const turns: { asked: number; answered: number }[] = [];
  let asked: number | undefined;
  for (const { sourcePort, length, micros } of segments) {
    if (length === 0) continue;
    if (sourcePort === port) asked = micros;
    else if (asked !== undefined) turns.push({ asked, answered: micros });
    else if (turns.length > 0) turns[turns.length - 1]!.answered = micros;
    if (sourcePort !== port) asked = undefined;
  }
  return turns;
}

function row(name: string, own: readonly number[], packets: readonly number[]): TimingRow {
  const [mine, theirs] = [percentiles(own), percentiles(packets)];
  return {
    name,
    count: own.length,
    own: mine,
    packets: theirs,
    off: [mine[0] - theirs[0], mine[1] - theirs[1]],
  };
}

function percentiles(values: readonly number[]): [number, number] {
  const histogram = createHistogram();
  for (const value of values) histogram.recordValue(Math.max(0, Math.round(value)));
  return [histogram.getValueAtPercentile(50), histogram.getValueAtPercentile(99)];
}

function table(title: string, rows: readonly TimingRow[]): Table {
  return {
    title,
    lead: 'By the generator, and by the kernel’s timestamps of the packets.',
    columns: ['', 'visits', 'own p50', 'packets p50', 'off', 'own p99', 'packets p99', 'off'],
    rows: rows.map(({ name, count, own, packets, off }) => [
      name,
      String(count),
      ...[0, 1].flatMap((index) => [
        formatMicros(own[index]!),
        formatMicros(packets[index]!),
        formatDifference(off[index]!),
      ]),
    ]),
  };
}
