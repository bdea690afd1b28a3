/** A saved connection as a message: MessagePack, checked against this schema by who receives it. */
import { Packr } from 'msgpackr';
import { z } from 'zod';
import { BatonError } from '../errors.ts';
import { MSS_MIN } from '../sys/tcp-repair.ts';

/** Changes when an old release would restore a new one's connections wrongly. */
const SAVED_VERSION = 1;
/** Bytes that the client has sent and nobody has read, at most. */
export const RECEIVE_QUEUE_MAX = 1 << 20;
/** Bytes for the client that it has not acknowledged, at most; sent and unsent together. */
export const SEND_QUEUE_MAX = 1 << 20;
/** Bytes of one message, at most: two full queues and some hundred bytes beside them. */
export const SAVED_MAX = RECEIVE_QUEUE_MAX + SEND_QUEUE_MAX + 1024;

const u32 = z.int().min(0).max(0xffffffff);
/** RFC 7323 section 2.3. */
const scale = z.int().min(0).max(14);
const octets = (problem: string, accepts: (length: number) => boolean) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && accepts(value.length), problem);
const bytes = (max: number) => octets(`at most ${max} bytes`, (length) => length <= max);

const endpoint = z.object({
  address: octets('4 or 16 bytes', (length) => length === 4 || length === 16),
  port: z.int().min(1).max(65_535),
});

const saved = z
  .object({
    version: z.literal(SAVED_VERSION),
    client: endpoint,
    server: endpoint,
    /** The client's limit on a segment, without IP and TCP headers. */
    mss: z.int().min(MSS_MIN).max(65_535),
    sack: z.boolean(),
    /** What the next segment's timestamp may be at least; null where timestamps were not negotiated. */
    timestamp: u32.nullable(),
    /** Shifts of the windows that the client announces and that the server does; 0 where not negotiated. */
    peerScale: scale,
    ownScale: scale,
    /** Sequence numbers after the last byte of each queue; `receiveSeq` also after the client's FIN. */
    receiveSeq: u32,
    sendSeq: u32,
    window: z.object({
      sendUpdatedBy: u32,
      sendWindow: u32,
      sendWindowMax: u32,
      receiveWindow: u32,
      receiveUpdatedAt: u32,
    }),
    /** The client has sent its FIN. */
    inputEnded: z.boolean(),
    /** From the client, unread. */
    received: bytes(RECEIVE_QUEUE_MAX),
    /** To the client: sent and not acknowledged, then not sent yet. */
    sent: bytes(SEND_QUEUE_MAX),
    unsent: bytes(SEND_QUEUE_MAX),
  })
  .refine(
    ({ client, server }) => client.address.length === server.address.length,
    'both ends are of one family',
  );

export type SavedConnection = z.infer<typeof saved>;

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
  const parsed = saved.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw bad(`with a bad ${issue.path.join('.') || 'shape'}: ${issue.message}`);
}
