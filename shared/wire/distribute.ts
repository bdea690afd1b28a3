/** What a head tells a delivery of distribution by request, on the control channel. */
import * as z from '../schema.ts';

/** Deliveries under one head, at most. */
const DELIVERIES_MAX = 64;

/**
 * How a delivery knows whether it keeps a connection whose next request has come.
 *
 * - `hash`: by rendezvous of the request's path over those that there are; what is another's it asks the head about.
 * - `turns`, `shares`: it keeps as many as there are for each of them, alike or by weight, and gives the others away.
 * - `lease`: it asks; an answer that it is chosen holds for all that is like it, for `leaseMs`.
 * - `ask`: it asks each time.
 */
const byRequest = ['hash', 'turns', 'shares', 'lease', 'ask'] as const;
export type ByRequest = (typeof byRequest)[number];

/** What a lease is about. */
const keys = ['nothing', 'address', 'path', 'name'] as const;

export const distribute = z.object({
  type: z.literal('distribute'),
  /** Null: by connection. */
  by: z.enum(byRequest).nullable(),
  key: z.enum(keys),
  leaseMs: z.int().min(1).max(60_000),
  /** Those among whom it is chosen, the one that is told as well, unless it is given nothing more. */
  deliveries: z
    .array(z.object({ name: z.string().max(64), weight: z.int().min(1).max(1000) }))
    .max(DELIVERIES_MAX),
});
export type Distribute = z.infer<typeof distribute>;
