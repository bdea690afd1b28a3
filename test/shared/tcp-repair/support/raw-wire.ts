/**
 * The wire of a client without a kernel (raw-tcp.ts): what it knows of each of its connections, and how a segment of one leaves. Opens
 * the tap of the bridge's namespace when it is loaded.
 */
import { execFileSync } from 'node:child_process';
import { allocate } from '../../../../shared/sys/memory.ts';
import { watchReadable } from '../../../../shared/sys/readiness.ts';
import { openTap, readFrame, writeFrame } from '../../../../shared/sys/tap.ts';
import { frame, tcpPacket } from '../../../support/frames.ts';
import { type Family, macOf, rawHost, vip } from './names.ts';
import { FIN, optionsOf, type ReadSegment, readSegment, SYN, type WrittenOptions } from './raw-segments.ts';

export interface Options {
  /** What the client announces; the server's segments have this much at most. */
  readonly mss: number;
  readonly sack: boolean;
  readonly timestamps: boolean;
  /** Its own shift; null offers none. */
  readonly scale: number | null;
  readonly ecn: boolean;
}

export type Host = keyof typeof macOf;

export interface Connection {
  readonly family: Family;
  readonly port: number;
  readonly server: number;
  readonly options: Options;
  /** Its own initial number, and the server's. */
  readonly iss: number;
  irs: number;
  to: Host;
  /** What was agreed on. */
  sack: boolean;
  timestamps: boolean;
  scales: boolean;
  serverScale: number;
  serverMss: number;
  /** Bytes that may be sent again, from the first on, and whether a FIN follows them. */
  sent: Buffer;
  finished: boolean;
  /** One past the last of them that has left. */
  next: number;
  /** Of them, how many the server has acknowledged; the FIN counts as one. */
  acked: number;
  /** The card that did last. */
  ackedBy: string;
  /** Received in order; and what came too early, by its offset. */
  received: Buffer;
  readonly early: Map<number, Buffer>;
  ended: boolean;
  reset: boolean;
  window: number;
  /** The right edge that was announced last, as an offset; and the server's, as an offset in what is sent. */
  edge: number;
  serverEdge: number;
  tsRecent: number;
  /** Answers what comes, and sends again what is not acknowledged. */
  lively: boolean;
  /** The segment with data, counted from the next one on, that is lost; 0: none. */
  lose: number;
  /** Segments that had nothing new. */
  repeats: number;
  gone: boolean;
  readonly speakers: string[];
  readonly violations: string[];
}

const tap = openTap('raw0');
execFileSync('ip', ['link', 'set', 'raw0', 'mtu', '9000', 'master', 'br0', 'up']);
const memory = allocate(16_384);
const out = allocate(16_384);

/** Like a kernel's, in milliseconds. */
const clock = (): number => Math.floor(performance.now() + 1_000_000) >>> 0;
export function emit(
  c: Connection,
  flags: number,
  from: number,
  data: Uint8Array = new Uint8Array(0),
  more: Extra = {},
): void {
  if (c.to === 'nobody' && !more.anyway) return;
  const isSyn = (flags & SYN) !== 0;
  const ackAt = c.received.length + (c.ended ? 1 : 0);
  const window = Math.min(0xffff, isSyn || !c.scales ? c.window : c.window >>> c.options.scale!);
  const options: WrittenOptions = {
    ...(isSyn ? { mss: c.options.mss, sackOk: c.options.sack, scale: c.options.scale } : {}),
    ...((isSyn ? c.options.timestamps : c.timestamps)
      ? { timestamps: [more.tsval ?? clock(), c.tsRecent] }
      : {}),
    ...(c.sack && c.early.size > 0 && !isSyn ? { sack: blocks(c) } : {}),
  };
  if (!isSyn) c.edge = Math.max(c.edge, c.received.length + (c.scales ? window << c.options.scale! : window));
  if (!isSyn) c.next = Math.max(c.next, from + data.length + ((flags & FIN) !== 0 ? 1 : 0));
  const packet = tcpPacket(
    { from: rawHost[c.family], to: vip[c.family] },
    {
      fromPort: c.port,
      toPort: c.server,
      seq: more.seq ?? c.iss + (isSyn ? 0 : 1) + from - (more.seqBefore ?? 0),
      ack: isSyn ? 0 : c.irs + 1 + (more.ackedBytes ?? ackAt),
      flags,
      urgent: more.urgent ?? 0,
      window,
      options: optionsOf(options),
      data,
    },
  );
  const bytes = frame(
    { from: rawHost.mac, to: macOf[more.host ?? (c.to === 'nobody' ? 'head' : c.to)] },
    packet,
  );
  out.bytes.set(bytes);
  writeFrame(tap, out, 0, bytes.length);
}

export interface Extra {
  readonly seq?: number;
  /** So far before where it belongs. */
  readonly seqBefore?: number;
  /** Acknowledges so much, whatever has come. */
  readonly ackedBytes?: number;
  readonly urgent?: number;
  readonly tsval?: number;
  /** Though it is held. */
  readonly anyway?: boolean;
  readonly host?: Exclude<Host, 'nobody'>;
}

const blocks = (c: Connection): [number, number][] =>
  [...c.early].slice(0, 3).map(([at, bytes]) => [c.irs + 1 + at, c.irs + 1 + at + bytes.length]);

/** Whatever comes goes to `onSegment`. */
export const hear = (onSegment: (segment: ReadSegment) => void) =>
  watchReadable(tap, () => {
    for (;;) {
      const n = readFrame(tap, memory, 0, 16_384);
      if (n <= 0) return;
      const segment = readSegment(Buffer.from(memory.bytes.subarray(0, n)));
      if (segment) onSegment(segment);
    }
  });
