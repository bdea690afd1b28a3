/** A saved connection as a message: MessagePack, checked by who receives it. */
import { Packr } from 'msgpackr';
import { BatonError } from '../errors.ts';
import { MSS_MIN, type RepairWindow } from '../sys/tcp-repair.ts';
import type { Endpoint } from '../sys/tcp-repair-endpoints.ts';

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
}

export const newSaved = (state: Omit<SavedConnection, 'version'>): SavedConnection => ({
  version: SAVED_VERSION,
  ...state,
});

const packr = new Packr({ useRecords: false });

/** The bytes are a copy: the message stands for itself. */
export const encodeSaved = (state: SavedConnection): Buffer => packr.pack(state);

/** Throws PROTOCOL with what was wrong. The queues are views of `message`, which must stay as it is until restored. */
export function decodeSaved(message: Uint8Array): SavedConnection {
  const bad = (problem: string) => new BatonError('PROTOCOL', { problem: `a saved connection ${problem}` });
  if (message.length > SAVED_MAX) throw bad(`of ${message.length} bytes`);
  let value: unknown;
  try {
    value = packr.unpack(message);
  } catch {
    throw bad('that is not MessagePack');
  }
  return check(value, bad);
}

/** RFC 7323 section 2.3. */
const SCALE_MAX = 14;

/**
 * By hand, because a connection stands still meanwhile: a schema of zod took 40 us when it had not run for a while, this
 * takes 5. The answer has nothing that is not in the type.
 */
function check(value: unknown, bad: (problem: string) => BatonError): SavedConnection {
  const wrong = (path: string, wanted: string) => bad(`with a bad ${path}: not ${wanted}`);
  const object = (found: unknown, path: string): Record<string, unknown> => {
    if (typeof found === 'object' && found !== null) return found as Record<string, unknown>;
    throw wrong(path, 'a map');
  };
  const integer = (found: unknown, path: string, least: number, most: number): number => {
    if (Number.isInteger(found) && (found as number) >= least && (found as number) <= most)
      return found as number;
    throw wrong(path, `an integer from ${least} to ${most}`);
  };
  const u32 = (found: unknown, path: string): number => integer(found, path, 0, 0xffffffff);
  const boolean = (found: unknown, path: string): boolean => {
    if (typeof found === 'boolean') return found;
    throw wrong(path, 'true or false');
  };
  const bytes = (found: unknown, path: string, most: number): Uint8Array => {
    if (found instanceof Uint8Array && found.length <= most) return found;
    throw wrong(path, `at most ${most} bytes`);
  };
  const endpoint = (found: unknown, path: string): Endpoint => {
    const { address, port } = object(found, path);
    const octets = bytes(address, `${path}.address`, 16);
    if (octets.length !== 4 && octets.length !== 16) throw wrong(`${path}.address`, '4 or 16 bytes');
    return { address: octets, port: integer(port, `${path}.port`, 1, 65_535) };
  };

  const found = object(value, 'shape');
  if (found.version !== SAVED_VERSION) throw wrong('version', String(SAVED_VERSION));
  const client = endpoint(found.client, 'client');
  const server = endpoint(found.server, 'server');
  if (client.address.length !== server.address.length) throw wrong('shape', 'two ends of one family');
  const window = object(found.window, 'window');
  return {
    version: SAVED_VERSION,
    client,
    server,
    mss: integer(found.mss, 'mss', MSS_MIN, 65_535),
    sack: boolean(found.sack, 'sack'),
    timestamp: found.timestamp === null ? null : u32(found.timestamp, 'timestamp'),
    peerScale: integer(found.peerScale, 'peerScale', 0, SCALE_MAX),
    ownScale: integer(found.ownScale, 'ownScale', 0, SCALE_MAX),
    receiveSeq: u32(found.receiveSeq, 'receiveSeq'),
    sendSeq: u32(found.sendSeq, 'sendSeq'),
    window: {
      sendUpdatedBy: u32(window.sendUpdatedBy, 'window.sendUpdatedBy'),
      sendWindow: u32(window.sendWindow, 'window.sendWindow'),
      sendWindowMax: u32(window.sendWindowMax, 'window.sendWindowMax'),
      receiveWindow: u32(window.receiveWindow, 'window.receiveWindow'),
      receiveUpdatedAt: u32(window.receiveUpdatedAt, 'window.receiveUpdatedAt'),
    },
    inputEnded: boolean(found.inputEnded, 'inputEnded'),
    received: bytes(found.received, 'received', RECEIVE_QUEUE_MAX),
    sent: bytes(found.sent, 'sent', SEND_QUEUE_MAX),
    unsent: bytes(found.unsent, 'unsent', SEND_QUEUE_MAX),
  };
}
