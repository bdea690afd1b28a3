/**
 * Messages between a head and a delivery on another host, over a link (see link.ts): MessagePack maps with a `type`,
 * checked against these schemas when they arrive. PROTOCOL.md tells which follows which.
 */
import { BatonError } from '../../errors.ts';
import * as z from '../../schema.ts';
import { SAVED_MAX } from '../../tcp-repair/index.ts';
import { refusalReasons } from '../../tcp-repair/refusal.ts';
import { introduction, LANES_MAX, moves } from '../control.ts';
import { STATE_MAX } from '../way-back.ts';
import { FLOW_KEY_SIZE } from './flow-key.ts';

/** Changes when an old peer would misunderstand a new one. */
export const REMOTE_VERSION = 3;
/** Of a delivery that has several heads, and tells each of what it adopts from the others. */
export const ANNOUNCING_VERSION = 3;
/** Ids in one message, at most. */
export const IDS_MAX = 10_000;

/** Why not: people read it in a terminal. */
const REASON_MAX = 256;
const isReason = new RegExp(`^[ -~]{1,${REASON_MAX}}$`);
export const asReason = (text: string): string => text.replace(/[^ -~]/g, ' ').slice(0, REASON_MAX);

/** Flows that one delivery may have, at most: the largest table of a head. */
const FLOWS_MAX = 1 << 22;

/** Names a migration; unique across restarts of the head. Exact in a double. */
const id = z.int().min(0);
const ids = z.array(id).max(IDS_MAX);
const count = z.int().min(0).max(0xffffffff);
const bytes = (accepts: (length: number) => boolean) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && accepts(value.length), 'of a wrong length');

const yes = z.custom<true>((value) => value === true, 'expected true').optional();
const state = bytes((length) => length > 0 && length <= SAVED_MAX);
const app = bytes((length) => length <= STATE_MAX).optional();

const fromDelivery = z.discriminatedUnion('type', [
  /** The first message; `holding` messages follow until `flows` are told. `active`: of those, still open. */
  introduction.extend({
    type: z.literal('hello'),
    version: z.int(),
    active: count,
    flows: z.int().min(0).max(FLOWS_MAX),
    /**
     * It knows what a connection that has sent knew of its path: true when such a one goes on with it here, else why it begins
     * anew. Who does not know the key is not told.
     */
    resumes: z
      .custom<true | string>(
        (value) => value === true || (typeof value === 'string' && isReason.test(value)),
        `expected true or 1 to ${REASON_MAX} characters of ASCII`,
      )
      .optional(),
    /** It heeds `successor`. A head that does not know the key does not say it. */
    successors: yes,
    moves,
    /** It can open lanes. Who does not know the key offers none. */
    lanes: yes,
    /** It heeds `ahead`. A head that does not know the key does not say it. */
    ahead: yes,
  }),
  /**
   * Flows that it needs steered to it: ids, and as many keys one after the other. Before its welcome those that it had
   * already; after it (version 3) connections that it has just adopted from another head, all of them open.
   */
  z
    .object({
      type: z.literal('holding'),
      ids,
      keys: bytes((length) => length <= IDS_MAX * FLOW_KEY_SIZE),
      /** Before its welcome: of these, what it has given back, with no word of what became of it. */
      doubtful: ids.optional(),
    })
    .refine(({ ids, keys }) => keys.length === ids.length * FLOW_KEY_SIZE, 'as many keys as ids'),
  /** The connection stands here, all but its coming to life. `micros`: how long that took. */
  z.object({ type: z.literal('adopted'), id, micros: z.number().min(0) }),
  /** It is not available here; nothing of it is left. */
  z.object({ type: z.literal('refused'), id, reason: z.enum(refusalReasons) }),
  /** They live here now, and the application has them. */
  z.object({ type: z.literal('live'), ids }),
  /** `closed` connections more have been closed; the flows `gone` need not be steered any more. */
  z.object({ type: z.literal('ended'), closed: count, gone: ids }),
  z.object({ type: z.literal('draining') }),
  /** Answers `ping`. `direct`: connections that it holds and that came to its direct address. */
  z.object({
    type: z.literal('pong'),
    direct: count,
    /** While it gives its connections back: those in the middle of a request, and those that stay. */
    left: z.object({ busy: count, stays: count }).optional(),
  }),
  /** A connection that it has adopted is given back, and is mute and deaf there until there is a word of it. */
  z.object({ type: z.literal('give'), id, state, app }),
]);

const fromHead = z.discriminatedUnion('type', [
  /** `lanes`: so many may be opened, one for each of the head's workers. */
  z.object({
    type: z.literal('welcome'),
    version: z.int(),
    moves: yes,
    standby: yes,
    lanes: z.int().min(1).max(LANES_MAX).optional(),
  }),
  /** From a head that is about to take over, before `welcome`: so many lanes may be opened. Until then it says `open` on them alone. */
  z.object({ type: z.literal('ahead'), lanes: z.int().min(1).max(LANES_MAX) }),
  /** The first word on a lane: connections may come over it. */
  z.object({ type: z.literal('open') }),
  /** Not registered; the head ends the link. */
  z.object({ type: z.literal('rejected'), code: z.string().max(64), reason: z.string().max(1024) }),
  /** Here is a connection, frozen there. Without a `commit` within `withinMs` it is taken back. */
  z.object({
    type: z.literal('adopt'),
    id,
    withinMs: z.number().positive(),
    state,
    /** What its application needs to go on with it; to one whose hello said `moves`: `state`. */
    app,
  }),
  /** Answers `adopted`: it is the delivery's alone. */
  z.object({ type: z.literal('commit'), id }),
  /** It stays with the head: undo what was prepared, without a packet. */
  z.object({ type: z.literal('abort'), id }),
  /** `standby`: the address that clients connect to is another head's now; nothing can be given back here. */
  z.object({ type: z.literal('ping'), standby: yes }),
  /**
   * Another head is about to take over, and who comes to the same address comes to it: say hello there as well, and stay here. Its
   * welcome ends this registration; without one, or when the link to it ends, nothing has been. Nothing can be given back here
   * until a `ping` without `standby`.
   */
  z.object({ type: z.literal('successor') }),
  /** To one that `moves`: give back what can be, from now on; or no more of it. */
  z.object({
    type: z.literal('move'),
    on: z.custom<boolean>((value) => typeof value === 'boolean', 'expected a boolean'),
  }),
  /** Answers `give`: it is the head's. */
  z.object({ type: z.literal('moved'), id }),
  /** It stays the delivery's. */
  z.object({ type: z.literal('kept'), id }),
  /** Answers `draining`: nothing is on its way any more, and nothing more will come. */
  z.object({ type: z.literal('drained') }),
  /** The head has dropped this delivery; what it adopted stays its own. */
  z.object({
    type: z.literal('dismissed'),
    reason: z.string().max(1024),
    /** Another head has taken over and listens already. */
    successor: yes,
  }),
]);

export type FromRemote = z.infer<typeof fromDelivery>;
export type ToRemote = z.infer<typeof fromHead>;
export type RemoteHello = FromRemote & { type: 'hello' };

function check<T>(schema: z.Schema<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.issue;
  throw new BatonError('PROTOCOL', {
    problem: `a message with a bad ${path.join('.') || 'type'}: ${message}`,
  });
}

/**
 * The messages that each migration waits for are first looked at by hand: a schema takes 20 to 50 us when it has not run for
 * a while. What is not plainly right is left to the schema, which says what is wrong.
 */
const isId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isDuration = (value: unknown): boolean =>
  typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY;

function isPlainlyFromRemote(value: unknown): value is FromRemote {
  if (typeof value !== 'object' || value === null) return false;
  const { type, id, micros } = value as Record<string, unknown>;
  return type === 'adopted' && isId(id) && isDuration(micros);
}

function isPlainlyToRemote(value: unknown): value is ToRemote {
  if (typeof value !== 'object' || value === null) return false;
  const { type, id, withinMs, state, app } = value as Record<string, unknown>;
  if (type === 'commit') return isId(id);
  return (
    type === 'adopt' &&
    app === undefined &&
    isId(id) &&
    isDuration(withinMs) &&
    withinMs !== 0 &&
    state instanceof Uint8Array &&
    state.length > 0 &&
    state.length <= SAVED_MAX
  );
}

/** Throw PROTOCOL with what was wrong. */
export const checkFromRemote = (value: unknown): FromRemote =>
  isPlainlyFromRemote(value) ? value : check(fromDelivery, value);
export const checkToRemote = (value: unknown): ToRemote =>
  isPlainlyToRemote(value) ? value : check(fromHead, value);
