/** What comes to a client without a kernel (raw-tcp.ts) is held against the rules of RFC 9293, taken, and answered. */
import { ACK, FIN, type ReadSegment, RST, SYN } from './raw-segments.ts';
import { type Connection, emit } from './raw-wire.ts';

/** How far `a` lies behind `b`, as sequence numbers do. */
const after = (a: number, b: number): number => (a - b) | 0;

export function onSegment(c: Connection, s: ReadSegment): void {
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
