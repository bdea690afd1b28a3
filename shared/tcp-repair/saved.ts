/** A saved connection as a message: MessagePack, checked by who receives it. */
import { Packr } from 'msgpackr/pack';
import { BatonError } from '../errors.ts';
import type { Endpoint } from '../sys/endpoints.ts';
import { MSS_MIN, type RepairWindow } from '../sys/tcp-repair.ts';
import type { Congestion } from './congestion.ts';

/** Changes when an old release would restore a new one's connections wrongly. */
const SAVED_VERSION = 1;
/** Bytes that the client has sent and nobody has read, at most. */
export const RECEIVE_QUEUE_MAX = 1 << 20;
/** Bytes for the client that it has not acknowledged, at most; sent and unsent together. */
export const SEND_QUEUE_MAX = 1 << 20;
/** Bytes of one message, at most: two full queues and some hundred bytes beside them. */
export const SAVED_MAX = RECEIVE_QUEUE_MAX + SEND_QUEUE_MAX + 1024;

export interface SavedConnection {
  readonly version: typeof SAVED_VERSION;
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** The client's limit on a segment, without IP and TCP headers. */
  readonly mss: number;
  readonly sack: boolean;
  /** What the next segment's timestamp may be at least; null where timestamps were not negotiated. */
  readonly timestamp: number | null;
  /** Shifts of the windows that the client announces and that the server does; 0 where not negotiated. */
  readonly peerScale: number;
  readonly ownScale: number;
  /** Sequence numbers after the last byte of each queue; `receiveSeq` also after the client's FIN. */
  readonly receiveSeq: number;
  readonly sendSeq: number;
  readonly window: RepairWindow;
  /** The client has sent its FIN. */
  readonly inputEnded: boolean;
  /** From the client, unread. */
  readonly received: Uint8Array;
  /** To the client: sent and not acknowledged, then not sent yet. */
  readonly sent: Uint8Array;
  readonly unsent: Uint8Array;
  /** What it knew of its path; null for one that has sent nothing, and from releases that do not tell. */
  readonly congestion: Congestion | null;
}

export const newSaved = (state: Omit<SavedConnection, 'version'>): SavedConnection => ({
  version: SAVED_VERSION,
  ...state,
});

/** An IPv4 address of an IPv6 socket travels as IPv6 writes it (RFC 4291 section 2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const written = ({ address, mapped }: Endpoint): Uint8Array =>
  mapped ? Uint8Array.of(...MAPPED, ...address) : address;

const packr = new Packr({ useRecords: false });

/**
 * The bytes are a copy: the message stands for itself. It is a MessagePack array in the order below and in `check`: with
 * names it took five times as long to write and read, after an idle moment 40 us more, while the connection is stopped.
 */
export const encodeSaved = (state: SavedConnection): Buffer =>
  packr.pack([
    state.version,
    written(state.client),
    state.client.port,
    written(state.server),
    state.server.port,
    state.mss,
    state.sack,
    state.timestamp,
    state.peerScale,
    state.ownScale,
    state.receiveSeq,
    state.sendSeq,
    state.window.sendUpdatedBy,
    state.window.sendWindow,
    state.window.sendWindowMax,
    state.window.receiveWindow,
    state.window.receiveUpdatedAt,
    state.inputEnded,
    state.received,
    state.sent,
    state.unsent,
    ...(state.congestion ? itemsOf(state.congestion) : []),
  ]);
const ITEMS = 21;
/** Only of one that has sent: no release that does not know them is given any such. */
const ITEMS_OF_CONGESTION = 4;
const itemsOf = ({ window, roundTrip, rate, isFresh }: Congestion) => [window, roundTrip, rate, isFresh];

/** Throws PROTOCOL with what was wrong. The queues are views of `message`, which must stay as it is until restored. */
export function decodeSaved(message: Uint8Array): SavedConnection {
  if (message.length > SAVED_MAX) throw bad(`of ${message.length} bytes`);
  let value: unknown;
  try {
    value = packr.unpack(message);
  } catch {
    throw bad('that is not MessagePack');
  }
  return check(value);
}

const bad = (problem: string) => new BatonError('PROTOCOL', { problem: `a saved connection ${problem}` });
const wrong = (name: string, wanted: string) => bad(`with a bad ${name}: not ${wanted}`);

/** RFC 7323 section 2.3. */
const SCALE_MAX = 14;

function integer(value: unknown, name: string, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  throw wrong(name, `an integer from ${least} to ${most}`);
}

const u32 = (value: unknown, name: string): number => integer(value, name, 0, 0xffffffff);

function boolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(name, 'true or false');
}

function bytes(value: unknown, name: string, most: number): Uint8Array {
  if (value instanceof Uint8Array && value.length <= most) return value;
  throw wrong(name, `at most ${most} bytes`);
}

function endpoint(address: unknown, port: unknown, name: string): Endpoint {
  const octets = bytes(address, `${name}.address`, 16);
  if (octets.length !== 4 && octets.length !== 16) throw wrong(`${name}.address`, '4 or 16 bytes');
  const at = { address: octets, port: integer(port, `${name}.port`, 1, 65_535) };
  const isMapped = octets.length === 16 && MAPPED.every((byte, i) => octets[i] === byte);
  return isMapped ? { ...at, address: octets.subarray(MAPPED.length), mapped: true } : at;
}

/**
 * By hand, because a connection is stopped meanwhile: a schema of zod took 40 us when it had not run for a while, this
 * takes 5.
 */
function check(v: unknown): SavedConnection {
  if (!Array.isArray(v)) throw wrong('shape', 'an array');
  if (v[0] !== SAVED_VERSION) throw wrong('version', String(SAVED_VERSION));
  const hasSent = v.length === ITEMS + ITEMS_OF_CONGESTION;
  if (v.length !== ITEMS && !hasSent)
    throw wrong('shape', `${ITEMS} or ${ITEMS + ITEMS_OF_CONGESTION} items`);
  const client = endpoint(v[1], v[2], 'client');
  const server = endpoint(v[3], v[4], 'server');
  if (client.address.length !== server.address.length || client.mapped !== server.mapped)
    throw wrong('shape', 'two ends of one family');
  return {
    version: SAVED_VERSION,
    client,
    server,
    mss: integer(v[5], 'mss', MSS_MIN, 65_535),
    sack: boolean(v[6], 'sack'),
    timestamp: v[7] === null ? null : u32(v[7], 'timestamp'),
    peerScale: integer(v[8], 'peerScale', 0, SCALE_MAX),
    ownScale: integer(v[9], 'ownScale', 0, SCALE_MAX),
    receiveSeq: u32(v[10], 'receiveSeq'),
    sendSeq: u32(v[11], 'sendSeq'),
    window: {
      sendUpdatedBy: u32(v[12], 'window.sendUpdatedBy'),
      sendWindow: u32(v[13], 'window.sendWindow'),
      sendWindowMax: u32(v[14], 'window.sendWindowMax'),
      receiveWindow: u32(v[15], 'window.receiveWindow'),
      receiveUpdatedAt: u32(v[16], 'window.receiveUpdatedAt'),
    },
    inputEnded: boolean(v[17], 'inputEnded'),
    received: bytes(v[18], 'received', RECEIVE_QUEUE_MAX),
    sent: bytes(v[19], 'sent', SEND_QUEUE_MAX),
    unsent: bytes(v[20], 'unsent', SEND_QUEUE_MAX),
    // What is believed of it is bounded where it is used (congestion.ts).
    congestion: hasSent
      ? {
          window: u32(v[21], 'congestion.window'),
          roundTrip: u32(v[22], 'congestion.roundTrip'),
          rate: u32(v[23], 'congestion.rate'),
          isFresh: boolean(v[24], 'congestion.isFresh'),
        }
      : null,
  };
}
