/**
 * A client's end of TCP connections, without a kernel: each packet is sent when the test says so, and what comes back is held
 * against the rules. Runs in the bridge's namespace, as the host `rawHost` of the segment.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { allocate } from '../../../../shared/sys/memory.ts';
import { watchReadable } from '../../../../shared/sys/readiness.ts';
import { openTap, readFrame, writeFrame } from '../../../../shared/sys/tap.ts';
import { frame, tcpPacket } from '../../../support/frames.ts';
import { serveCalls } from './agent.ts';
import { type Family, macOf, rawHost, vip } from './names.ts';
import { digestOf } from './pattern.ts';
import { optionsOf, type ReadSegment, readSegment, type WrittenOptions } from './raw-segments.ts';

export const [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR] = [1, 2, 4, 8, 16, 32, 64, 128] as const;

export interface Options {
  /** What the client announces; the server's segments have this much at most. */
  readonly mss: number;
  readonly sack: boolean;
  readonly timestamps: boolean;
  /** Its own shift; null offers none. */
  readonly scale: number | null;
  readonly ecn: boolean;
}

type Host = keyof typeof macOf;

interface Connection {
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

const connections: Connection[] = [];
const tap = openTap('raw0');
execFileSync('ip', ['link', 'set', 'raw0', 'mtu', '9000', 'master', 'br0', 'up']);
const memory = allocate(16_384);
const out = allocate(16_384);
let nextPort = 20_000;

/** Like a kernel's, in milliseconds. */
const clock = (): number => Math.floor(performance.now() + 1_000_000) >>> 0;
/** How far `a` lies behind `b`, as sequence numbers do. */
const after = (a: number, b: number): number => (a - b) | 0;

function emit(
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

interface Extra {
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

function onSegment(c: Connection, s: ReadSegment): void {
  const wrong = (what: string): void =>
    void c.violations.push(`${what}: ${JSON.stringify({ ...s, data: s.data.length })}`);
  if (c.speakers.at(-1) !== s.mac) c.speakers.push(s.mac);
  if (!s.isIntact) return wrong('a bad checksum');
  if ((s.flags & RST) !== 0) {
    // What it acknowledges twice meets nobody any more when both sides have ended.
    if (!c.ended) c.reset = true;
    return;
  }
  if ((s.flags & SYN) !== 0) return onSynAck(c, s);
  if (c.gone) return emit(c, RST, 0, undefined, { seq: s.ack });
  const offset = after(s.seq, c.irs + 1);
  if (c.timestamps) {
    if (!s.timestamps) return wrong('no timestamps');
    if (after(s.timestamps[0], c.tsRecent) < 0) wrong('a timestamp that goes back');
    else if (offset <= c.received.length) c.tsRecent = s.timestamps[0];
  }
  if (s.data.length > c.options.mss - (c.timestamps ? 12 : 0))
    wrong('longer than the segments that it takes');
  const acked = after(s.ack, c.iss + 1);
  if (acked > c.sent.length + (c.finished ? 1 : 0)) wrong('acknowledges what was not sent');
  // Two of one host may pass each other; what another host has acknowledged stays so.
  const isLate = acked < c.acked && c.ackedBy === s.mac;
  if (acked < c.acked && !isLate) wrong('acknowledges less than the other host');
  if (acked >= c.acked) c.ackedBy = s.mac;
  c.acked = Math.max(c.acked, acked);
  const edge = acked + (s.window << (c.scales ? c.serverScale : 0));
  // Rounded down to what the scale can say.
  if (!isLate && edge + (1 << c.serverScale) < c.serverEdge) wrong('takes back what it allowed');
  c.serverEdge = Math.max(c.serverEdge, edge);
  onData(c, s, offset, wrong);
}

function onSynAck(c: Connection, s: ReadSegment): void {
  c.irs = s.seq;
  c.sack = c.options.sack && s.sackOk;
  c.timestamps = c.options.timestamps && s.timestamps !== undefined;
  c.scales = c.options.scale !== null && s.scale !== undefined;
  c.serverScale = c.scales ? s.scale! : 0;
  c.serverMss = s.mss;
  c.tsRecent = s.timestamps?.[0] ?? 0;
  emit(c, ACK, 0);
}

function onData(c: Connection, s: ReadSegment, offset: number, wrong: (what: string) => void): void {
  const end = offset + s.data.length;
  if (s.data.length > 0 && c.lose > 0 && --c.lose === 0) return;
  if (s.data.length > 0) {
    if (end <= c.received.length) c.repeats++;
    if (end > c.edge) wrong(`beyond the window, which ends at ${c.edge}`);
    const known = c.received.subarray(Math.max(0, offset), Math.min(end, c.received.length));
    if (
      known.length > 0 &&
      !known.equals(s.data.subarray(Math.max(0, -offset), Math.max(0, -offset) + known.length))
    )
      wrong('other bytes than before');
    if (end > c.received.length) c.early.set(offset, s.data);
    for (let found = true; found; ) {
      found = false;
      for (const [at, bytes] of c.early) {
        if (at > c.received.length) continue;
        c.early.delete(at);
        c.received = Buffer.concat([c.received, bytes.subarray(Math.max(0, c.received.length - at))]);
        found = true;
      }
    }
  }
  if ((s.flags & FIN) !== 0 && end === c.received.length) c.ended = true;
  const isProbe = s.data.length === 0 && offset < c.received.length;
  if (c.lively && (s.data.length > 0 || (s.flags & FIN) !== 0 || isProbe)) emit(c, ACK, c.next);
}

const sentUpTo = (c: Connection): number => c.sent.length + (c.finished ? 1 : 0);

watchReadable(tap, () => {
  for (;;) {
    const n = readFrame(tap, memory, 0, 16_384);
    if (n <= 0) return;
    const s = readSegment(Buffer.from(memory.bytes.subarray(0, n)));
    const c = s && connections.find(({ port, server }) => port === s.toPort && server === s.fromPort);
    if (s && c) onSegment(c, s);
  }
});

/** As a kernel does: what is not acknowledged is sent again. */
setInterval(() => {
  for (const c of connections) {
    if (!c.lively || c.gone || c.reset || c.acked >= sentUpTo(c)) continue;
    const size = Math.min(1000, c.serverMss);
    for (let at = Math.min(c.acked, c.sent.length), n = 0; at < c.sent.length && n < 20; at += size, n++)
      emit(c, ACK | PSH, at, c.sent.subarray(at, at + size));
    if (c.finished) emit(c, ACK | FIN, c.sent.length);
  }
}, 40);

const methods = {
  /** Its number; the server's end is to be accepted meanwhile. */
  async open(family: Family, server: number, options: Options): Promise<number> {
    const c: Connection = {
      family,
      server,
      options,
      port: nextPort++,
      iss: (Math.random() * 2 ** 32) >>> 0,
      irs: 0,
      to: 'head',
      sack: false,
      timestamps: false,
      scales: false,
      serverScale: 0,
      serverMss: 536,
      sent: Buffer.alloc(0),
      finished: false,
      next: 0,
      lose: 0,
      repeats: 0,
      acked: 0,
      ackedBy: '',
      received: Buffer.alloc(0),
      early: new Map(),
      ended: false,
      reset: false,
      window: 60_000,
      edge: 0,
      serverEdge: 0,
      tsRecent: 0,
      lively: true,
      gone: false,
      speakers: [],
      violations: [],
    };
    const id = connections.push(c) - 1;
    for (let i = 0; c.irs === 0 && i < 100; i++) {
      if (i % 20 === 0) emit(c, SYN | (options.ecn ? ECE | CWR : 0), 0);
      await delay(10);
    }
    return id;
  },
  /** Whom its packets reach from now on. */
  steer(id: number, to: Host): void {
    connections[id]!.to = to;
  },
  /** It has these bytes to send. None leaves by itself before `goOn`. */
  has(id: number, bytes: Uint8Array, finished: boolean): void {
    const c = connections[id]!;
    c.lively = false;
    c.sent = Buffer.from(bytes);
    c.finished = finished;
  },
  /** Sends bytes `from` to `to` of what it has in one segment. */
  segment(id: number, from: number, to: number, flags: number = ACK | PSH, extra: Extra = {}): void {
    const c = connections[id]!;
    emit(c, flags, from, c.sent.subarray(from, to), extra);
  },
  /** Acknowledges what it has, in a segment without data. */
  bare(id: number, flags: number = ACK, extra: Extra = {}): void {
    const c = connections[id]!;
    emit(c, flags, c.next, undefined, extra);
  },
  /** Of the segments with data that come, this one is lost: 1 is the next. */
  lose(id: number, which: number): void {
    connections[id]!.lose = which;
  },
  /** What it announces from now on. */
  window(id: number, bytes: number): void {
    const c = connections[id]!;
    c.window = bytes;
    // It may take back what it allowed; the server may have sent that meanwhile.
    emit(c, ACK, c.next);
  },
  /** Answers nothing until `goOn`. */
  mute(id: number): void {
    connections[id]!.lively = false;
  },
  /** Its process has ended: whatever comes is answered by a reset. */
  vanish(id: number): void {
    connections[id]!.gone = true;
  },
  /** Is a client like any other from now on. */
  goOn(id: number): void {
    const c = connections[id]!;
    c.lively = true;
    emit(c, ACK, c.next);
  },
  state(id: number) {
    const { received, ended, reset, acked, speakers, violations, early, repeats } = connections[id]!;
    return {
      length: received.length,
      digest: digestOf(received),
      ended,
      reset,
      acked,
      speakers,
      violations,
      repeats,
      early: early.size,
    };
  },
  /** Of what was agreed on. */
  agreed(id: number) {
    const { sack, timestamps, scales, serverMss, sent } = connections[id]!;
    return { sack, timestamps, scales, serverMss, has: sent.length };
  },
  /** Waits until so much has come, or the end; no longer than that. */
  async until(id: number, length: number, withinMs: number): Promise<void> {
    const c = connections[id]!;
    const deadline = performance.now() + withinMs;
    while (c.received.length < length && !c.ended && !c.reset && performance.now() < deadline) await delay(5);
  },
  forget(id: number): void {
    connections[id]!.lively = false;
    connections[id]!.to = 'nobody';
  },
};

export type RawMethods = typeof methods;
serveCalls(methods);
