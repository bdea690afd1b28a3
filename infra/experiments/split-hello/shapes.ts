/** In what shapes a ClientHello is sent: cut into segments of TCP, into records of TLS (RFC 8446 section 5.1), or wrong. */
import { SERVER_NAME } from './hellos.ts';

export interface Sent {
  /** Each is written by itself, so long after the one before. */
  readonly pieces: readonly Buffer[];
  readonly pauseMs: number;
  /** The client ends its side then; else it waits. */
  readonly ends?: boolean;
}

export interface Shape {
  readonly name: string;
  /** What a client that has done nothing wrong would see; undefined of one that has. */
  readonly right: 'by name' | 'default' | undefined;
  /** `step`: of places to cut at, every so many bytes. */
  sent(flight: Buffer, step: number): Sent[];
}

const HEADER = 5;
/** Long enough for a server that is idle to read what has come. */
const APART_MS = 5;
const SLOW_MS = 300;

const whole = (pieces: readonly Buffer[], pauseMs = APART_MS): Sent => ({ pieces, pauseMs });
const cutAt = (bytes: Buffer, place: number) => [bytes.subarray(0, place), bytes.subarray(place)];
const half = (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1);
const piecesOf = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );

function places(length: number, step: number): number[] {
  const all = Array.from({ length: length - 1 }, (_, at) => at + 1);
  return all.filter((place) => place % step === 0 || place <= HEADER + 1 || place === length - 1);
}

const messageOf = (flight: Buffer) => flight.subarray(HEADER);
const record = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([22, 3, 1, bytes.length >> 8, bytes.length & 255]), bytes]);
const parts = (flight: Buffer, count: number): Buffer[] =>
  piecesOf(messageOf(flight), Math.ceil(messageOf(flight).length / count)).map(record);

/** The first byte of the session id's length says more than there may be. */
function malformed(flight: Buffer): Buffer {
  const wrong = Buffer.from(flight);
  // Behind the header of record and message, the version and the random number.
  wrong[HEADER + 4 + 2 + 32] = 200;
  return wrong;
}

/** As long. */
const otherName = (flight: Buffer): Buffer =>
  Buffer.from(flight.toString('latin1').replace(SERVER_NAME, 'land.example'), 'latin1');

/** A CLIENT-HELLO of SSL 2.0 (RFC 6101 appendix E.1). */
const ssl2 = Buffer.concat([
  Buffer.from('802e0100020015000000100100800300800600400200800400', 'hex'),
  Buffer.alloc(23, 7),
]);

export const shapes: readonly Shape[] = [
  { name: 'whole', right: 'by name', sent: (flight) => [whole([flight])] },
  {
    name: 'two segments, cut anywhere',
    right: 'by name',
    sent: (flight, step) => places(flight.length, step).map((place) => whole(cutAt(flight, place))),
  },
  { name: 'each byte a segment', right: 'by name', sent: (flight) => [whole(piecesOf(flight, 1), 0)] },
  {
    name: 'two halves, 300 ms apart',
    right: 'by name',
    sent: (flight) => [whole(cutAt(flight, flight.length >> 1), SLOW_MS)],
  },
  {
    name: 'two records in one segment, cut anywhere',
    right: 'by name',
    sent: (flight, step) =>
      places(messageOf(flight).length, step).map((place) =>
        whole([Buffer.concat(cutAt(messageOf(flight), place).map(record))]),
      ),
  },
  {
    name: 'two records, each a segment, cut anywhere',
    right: 'by name',
    sent: (flight, step) =>
      places(messageOf(flight).length, step).map((place) =>
        whole(cutAt(messageOf(flight), place).map(record)),
      ),
  },
  {
    name: '3 and 5 records in one segment',
    right: 'by name',
    sent: (flight) => [3, 5].map((count) => whole([Buffer.concat(parts(flight, count))])),
  },
  {
    name: '3 and 5 records, each a segment',
    right: 'by name',
    sent: (flight) => [3, 5].map((count) => whole(parts(flight, count))),
  },
  { name: 'for another name', right: 'default', sent: (flight) => [whole([otherName(flight)])] },
  { name: 'the first half, then nothing', right: undefined, sent: (flight) => [whole([half(flight)])] },
  {
    name: 'the first half, then the end',
    right: undefined,
    sent: (flight) => [{ ...whole([half(flight)]), ends: true }],
  },
  { name: 'malformed', right: undefined, sent: (flight) => [whole([malformed(flight)])] },
  { name: 'of SSL 2.0', right: undefined, sent: () => [whole([ssl2])] },
];
