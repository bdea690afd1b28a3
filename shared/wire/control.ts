/**
 * Messages on the control channel between the head and one delivery: MessagePack maps with a `type`, checked against
 * these schemas when they arrive. PROTOCOL.md describes them for other languages.
 */
import { Packr } from 'msgpackr/pack';
import { BatonError } from '../errors.ts';
import { isReachable, REACHABLE } from '../reachable.ts';
import * as z from '../schema.ts';
import { servedNames } from '../served-names.ts';
import { distribute } from './distribute.ts';

/** Changes when an old peer would misunderstand a new one. */
export const PROTOCOL_VERSION = 2;
/** A delivery that says less than the newest version has says the version that has it. */
const OLDEST_VERSION = 1;
/** `serves` and `directTls` are of this version. */
const NAMES_VERSION = 2;
/** Bytes of one control message, at most. */
export const CONTROL_MESSAGE_MAX = 16_384;
/** Workers of one head, so lanes of one delivery, at most. */
export const LANES_MAX = 128;

export const deliveryName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name has 1 to 64 letters, digits, ".", "_" or "-"');
export const creditsRange = z.int().min(1).max(1_000_000);
export const weightRange = z.int().min(1).max(1000);

/** HOST:PORT as it stands in a URL; the host is an IP address (IPv6 in brackets) or a DNS name. */
const authority = z.string().refine(isReachable, { message: REACHABLE });
const count = z.int().min(0).max(0xffffffff);

const yes = z.custom<true>((value) => value === true, 'expected true');

const directTls = z.enum(['only', 'also']);

/** What a delivery says of itself, however it comes to the head. */
export const introduction = z.object({
  name: deliveryName,
  pid: z.int().positive(),
  /** The most connections that it holds at once. */
  credits: creditsRange,
  weight: weightRange,
  /** Where clients reach it without the head; null when nowhere. */
  direct: authority.nullable(),
  /** TLS is spoken there, `only` or `also`; without it plain HTTP. */
  directTls: directTls.optional(),
  /** The names of servers that it serves; without it every one. */
  serves: servedNames.optional(),
});
export type Introduction = z.infer<typeof introduction>;

/**
 * Of a hello: it can give connections back; `state`: and take those that another's application has a state of. Who does not
 * know the key is not asked, and does not answer it.
 */
export const moves = z.enum(['plain', 'state']).optional();

const hello = introduction.extend({
  type: z.literal('hello'),
  version: z.int(),
  /** Connections handed to it earlier (by a head that has gone) that it still holds. */
  active: count,
  moves,
  /** It looks at the next request of a connection before it reads it. Only with `moves`; who does not know it is not told `distribute`. */
  looks: yes.optional(),
});
export type Moves = NonNullable<z.infer<typeof hello>['moves']>;

const fromDelivery = z.discriminatedUnion('type', [
  hello,
  z.object({ type: z.literal('draining') }),
  /**
   * `direct`: connections that it holds now and that came to its direct address. `left`, while it gives its connections back:
   * those in the middle of a request, and those that stay.
   */
  z.object({
    type: z.literal('pong'),
    direct: count,
    left: z.object({ busy: count, stays: count }).optional(),
  }),
  /** `count` of the connections that its hello called active have ended. */
  z.object({ type: z.literal('ended'), count }),
]);

const fromHead = z.discriminatedUnion('type', [
  /** Carries `lanes` fds: one connected socket for each. `session` names this registration. */
  z.object({
    type: z.literal('welcome'),
    version: z.int(),
    session: z.string().max(32),
    lanes: z.int().min(1).max(LANES_MAX),
    /** As many ways back follow the lanes. */
    moves: yes.optional(),
  }),
  /** Give back what can move, now and as soon as it can; or no more of it. */
  z.object({
    type: z.literal('move'),
    on: z.custom<boolean>((value) => typeof value === 'boolean', 'expected a boolean'),
  }),
  distribute,
  z.object({ type: z.literal('refused'), code: z.string().max(64), reason: z.string().max(1024) }),
  z.object({ type: z.literal('ping') }),
  /** Answers `draining`: nothing is on its way any more, and nothing more will come. */
  z.object({ type: z.literal('drained') }),
  /** The head has dropped this delivery; its untaken connections went elsewhere. */
  z.object({
    type: z.literal('dismissed'),
    reason: z.string().max(1024),
    /** Another head has taken over and listens already. */
    successor: yes.optional(),
  }),
]);

/** The lowest version in which a delivery can say what it does: so heads of a version before know it as well. */
export const versionFor = ({ serves, directTls }: Pick<Introduction, 'serves' | 'directTls'>): number =>
  serves === undefined && directTls === undefined ? OLDEST_VERSION : NAMES_VERSION;

/**
 * What a hello of its version says, without what that version does not have; throws VERSION_MISMATCH for one that this
 * release does not speak. `newest`: of its protocol.
 */
export function asOfVersion<H extends Introduction & { readonly version: number }>(
  hello: H,
  newest: number,
): H {
  const { version } = hello;
  if (version < OLDEST_VERSION || version > newest)
    throw new BatonError('VERSION_MISMATCH', { head: newest, delivery: version });
  return version < NAMES_VERSION ? { ...hello, serves: undefined, directTls: undefined } : hello;
}

export type Hello = z.infer<typeof hello>;
export type FromDelivery = z.infer<typeof fromDelivery>;
export type FromHead = z.infer<typeof fromHead>;

// Without records: a peer in another language reads plain maps. `number`: it may write 5 in 64 bits, and means 5.
const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

export const encodeControl = (message: FromDelivery | FromHead): Buffer => packr.pack(message);

function decode<T>(schema: z.Schema<T>, bytes: Uint8Array): T {
  if (bytes.length > CONTROL_MESSAGE_MAX) {
    throw new BatonError('PROTOCOL', { problem: `a control message of ${bytes.length} bytes` });
  }
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch {
    throw new BatonError('PROTOCOL', { problem: 'a control message that is not MessagePack' });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.issue;
  throw new BatonError('PROTOCOL', {
    problem: `a control message with a bad ${path.join('.') || 'type'}: ${message}`,
  });
}

/** Throws PROTOCOL with what was wrong. */
export const decodeFromDelivery = (bytes: Uint8Array): FromDelivery => decode(fromDelivery, bytes);
export const decodeFromHead = (bytes: Uint8Array): FromHead => decode(fromHead, bytes);
