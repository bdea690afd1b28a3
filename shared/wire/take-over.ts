/**
 * Messages between a head and its successor, over a SEQPACKET socket that the head makes: MessagePack maps with a `type`, some of
 * them with fds. PROTOCOL.md has their order.
 */
import { Packr } from 'msgpackr/pack';
import { BatonError } from '../errors.ts';
import * as z from '../schema.ts';
import { modes } from '../status.ts';
import { MAX_FDS } from '../sys/pass-fds.ts';

/** Versions that this release speaks, its own and the one before. */
export const TAKE_OVER_VERSIONS: readonly number[] = [2, 1];
/** From which on deliveries of other hosts are sent to the successor ahead. */
export const SENDING_VERSION = 2;
/** The highest version that both speak. `upgrade`: the header of who asks. Throws TAKE_OVER_REFUSED. */
export function commonTakeOverVersion(upgrade: string, known = TAKE_OVER_VERSIONS): number {
  const offered = [...upgrade.matchAll(/(?:^|,)\s*baton-take-over\/(\d{1,9})\s*(?=,|$)/g)].map(([, n]) =>
    Number(n),
  );
  const common = known.filter((version) => offered.includes(version));
  if (common.length > 0) return Math.max(...common);
  const asked = offered.join(', ') || 'what was asked for';
  throw new BatonError('TAKE_OVER_REFUSED', {
    problem: `it speaks version ${known.join(', ')} of the take-over, and not ${asked}`,
  });
}

/** Bytes of one message, at most: a socket takes that much at once (net.core.wmem_default). */
export const TAKE_OVER_MESSAGE_MAX = 131_072;
/** Connections of one message: each may have an answer with it that its client has not taken. */
export const PASSED_AT_ONCE = 64;
/** Sockets of one message. */
const SOCKETS_AT_ONCE = MAX_FDS;

const millis = z.number().min(0);
const passed = z.object({
  state: z.enum(['reading', 'writing', 'lingering']),
  mode: z.enum(modes),
  ageMs: millis,
  waitedMs: millis,
  addressHash: z.int().min(0).max(0xffffffff),
  attempts: z.int().min(0).max(255),
  discarded: millis,
  rest: z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes').optional(),
});

const socket = z.object({
  kind: z.enum(['worker', 'deliveries', 'admin', 'control', 'metrics']),
  index: z.int().min(0).max(65_535),
});

const names = z.array(z.string().max(64)).max(1024);

const fromPredecessor = z.discriminatedUnion('type', [
  /** An fd for each. */
  z.object({ type: z.literal('sockets'), sockets: z.array(socket).max(SOCKETS_AT_ONCE) }),
  /** An fd for each. */
  z.object({ type: z.literal('connections'), connections: z.array(passed).max(PASSED_AT_ONCE) }),
  /** That was all; nothing is done with it until the answer. `deliveries`: the names of those that will register. */
  z.object({
    type: z.literal('handed'),
    count: z.int().min(0),
    mode: z.enum(modes),
    deliveries: names,
    /** Version 2: the highest number of a migration; none above it will be the predecessor's. */
    lastId: z.int().min(0).optional(),
    /** Version 2: nothing of the predecessor's is on its way to other hosts; else the successor waits for `done` before it moves anything. */
    settled: z.custom<true>((value) => value === true, 'expected true').optional(),
  }),
  /** Answers `listening` (version 2): deliveries that were asked to come to the successor as well; the predecessor lets no other in. */
  z.object({ type: z.literal('sent'), deliveries: names }),
  /** Instead of anything, and last: it goes on being the head. Where it ends without this word it is dead. */
  z.object({ type: z.literal('kept'), reason: z.string().max(1024) }),
  /**
   * After `confirmed` and the connections that came back from deliveries: that was all of them. Version 2: the mode that it had at last, and how long
   * ago it has read its settings again.
   */
  z.object({ type: z.literal('done'), mode: z.enum(modes).optional(), reloadedMs: millis.optional() }),
]);

const fromSuccessor = z.discriminatedUnion('type', [
  /** Version 2, at most once and before `ready`: it lets in deliveries of other hosts, ahead. */
  z.object({ type: z.literal('listening') }),
  /** It is warm, and wants all. */
  z.object({ type: z.literal('ready') }),
  /** It has all, and answers for it from here on. */
  z.object({ type: z.literal('confirmed') }),
  z.object({ type: z.literal('failed'), reason: z.string().max(1024) }),
]);

export type FromPredecessor = z.infer<typeof fromPredecessor>;
export type FromSuccessor = z.infer<typeof fromSuccessor>;

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

export const encodeTakeOver = (message: FromPredecessor | FromSuccessor): Buffer => packr.pack(message);

function decode<T>(schema: z.Schema<T>, bytes: Uint8Array): T {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch {
    throw new BatonError('TAKE_OVER_FAILED', { problem: 'a message that is not MessagePack' });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.issue;
  throw new BatonError('TAKE_OVER_FAILED', {
    problem: `a message with a bad ${path.join('.') || 'type'}: ${message}`,
  });
}

/** Both throw TAKE_OVER_FAILED with what was wrong. */
export const decodeFromPredecessor = (bytes: Uint8Array): FromPredecessor => decode(fromPredecessor, bytes);
export const decodeFromSuccessor = (bytes: Uint8Array): FromSuccessor => decode(fromSuccessor, bytes);
