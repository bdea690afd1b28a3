/**
 * Are the generator's own timings right? The same visits are timed twice: by the generator, and from the timestamps that
 * the kernel gave their packets at the client's network card (tcpdump). The generator's times must be a little longer: it
 * looks at the clock before the first packet leaves, and TCP takes a packet somewhat after the card.
 */
import { parseHostPort } from '../../shared/units.ts';
import { type Segment, startCapture } from '../lab/capture.ts';
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
  seconds: { full: 16, quick: 9 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { durationMs } = context.quick ? quick : full;
  const { signal, progress } = context;
  const lab = await context.startLab({ mode: 'handoff', deliveries: 1, links: clientCable });
  const cable = await cableOf(lab, [ROUND_TRIP_MS]);
  await cable.set(cable.roundTrips[0]!);
  const host = waysOf(lab)[0]!.hosts[0]!;
  progress.expect(WARM_UP_MS + durationMs + 2000);
  const { visits, segments } = await progress.during('visiting', WARM_UP_MS + durationMs + 2000, async () => {
    const capture = await startCapture(lab.client, parseHostPort(host)!.port);
    try {
      const urls = [`http://${host}/bytes/1000`];
      const done = await visitFrom(lab.client, {
        urls,
        rate: RATE,
        durationMs,
        warmUpMs: WARM_UP_MS,
        samples: true,
        signal,
      });
      return { visits: done, segments: await capture.stop() };
    } catch (error) {
      await capture.stop();
      throw error;
    }
  });
  const rows = visits ? compareTimings(visits, segments) : [];
  const worst = Math.max(0, ...rows.flatMap(({ off }) => off.map(Math.abs)));
  const matched = rows[0]?.count ?? 0;
  return {
    answer:
      matched === 0
        ? 'Too little was measured to answer.'
        : `The generator’s own times and those of the packets differ by at most ${formatMicros(worst)} at p50 and p99, over ${matched} visits${worst <= ALLOWED_MICROS ? '' : `: more than the ${formatMicros(ALLOWED_MICROS)} that are allowed, so something kept the generator from its processor`}.`,
    parameters: {
      'visits per second': RATE,
      seconds: durationMs / 1000,
      'round trip': `${cable.roundTrips[0]} ms`,
      allowed: formatMicros(ALLOWED_MICROS),
    },
    tables: [table(rows)],
    notes: [
      'The kernel stamps a packet when it leaves or arrives at the client’s card. The generator starts its clock just before the call that sends the SYN, and takes from the kernel how long the handshake took and when the last bytes came: how long it takes itself to wake up is in no figure.',
      ...(cable.note ? [cable.note] : []),
    ],
    warnings: worst > ALLOWED_MICROS ? ['the machine was too busy for times to be right to 0.2 ms'] : [],
  };
}

interface TimingRow {
  readonly name: string;
  readonly count: number;
  /** p50 and p99, microseconds. */
  readonly own: readonly [number, number];
  readonly packets: readonly [number, number];
  readonly off: readonly [number, number];
}

/** Connects and whole visits (from their actual start), of visits whose packets were all seen. */
function compareTimings(visits: VisitResult, segments: readonly Segment[]): TimingRow[] {
  const byPort = new Map<number, Segment[]>();
  for (const segment of segments) {
    for (const port of [segment.sourcePort, segment.destinationPort])
      byPort.set(port, [...(byPort.get(port) ?? []), segment]);
  }
  const { ports, totalMicros, lateMicros, connectMicros } = visits.samples!;
  const found = ports.flatMap((port, index) => {
    const wire = wireTimes(byPort.get(port) ?? [], port);
    if (!wire || totalMicros[index]! < 0) return [];
    return [{ wire, connect: connectMicros[index]!, whole: totalMicros[index]! - lateMicros[index]! }];
  });
  return [
    row(
      'connect: SYN to SYN-ACK',
      found.map(({ connect }) => connect),
      found.map(({ wire }) => wire.connect),
    ),
    row(
      'visit: SYN to last byte',
      found.map(({ whole }) => whole),
      found.map(({ wire }) => wire.whole),
    ),
  ];
}

/** Of the connection from this port of the client. */
function wireTimes(segments: readonly Segment[], port: number) {
  const syn = segments.find(({ sourcePort, syn, ack }) => sourcePort === port && syn && !ack);
  const synAck = segments.find(({ destinationPort, syn, ack }) => destinationPort === port && syn && ack);
  const last = segments.findLast(({ destinationPort, length }) => destinationPort === port && length > 0);
  if (!syn || !synAck || !last) return undefined;
  return { connect: synAck.micros - syn.micros, whole: last.micros - syn.micros };
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

function table(rows: readonly TimingRow[]): Table {
  return {
    title: 'The same visits, timed twice',
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
