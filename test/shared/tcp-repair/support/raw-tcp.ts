/**
 * A client's end of TCP connections, without a kernel: each packet is sent when the test says so, and what comes back is held
 * against the rules. Runs in the bridge's namespace, as the host `rawHost` of the segment.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { serveCalls } from './agent.ts';
import type { Family } from './names.ts';
import { digestOf } from './pattern.ts';
import { onSegment } from './raw-rules.ts';
import { ACK, CWR, ECE, FIN, PSH, SYN } from './raw-segments.ts';
import { type Connection, type Extra, emit, type Host, hear, type Options } from './raw-wire.ts';

const connections: Connection[] = [];
let nextPort = 20_000;

const sentUpTo = (c: Connection): number => c.sent.length + (c.finished ? 1 : 0);

hear((segment) => {
  const { fromPort, toPort } = segment;
  const c = connections.find(({ port, server }) => port === toPort && server === fromPort);
  if (c) onSegment(c, segment);
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
