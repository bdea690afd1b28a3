/** What the client of hellos is told, and what it answers: both as JSON, between two processes. */
import { z } from 'zod';

/** The names that receivers say. */
export const NAMED = 'named';
export const OTHERS = 'others';

export const ordersSchema = z.object({
  /** HOST:PORT. */
  address: z.string(),
  /** Of places to cut at, every so many bytes. */
  step: z.int().positive(),
  /** A connection that has brought nothing by then has brought nothing. */
  withinMs: z.int().positive(),
});
export type Orders = z.infer<typeof ordersSchema>;

const outcomesSchema = z.object({
  shape: z.string(),
  client: z.string(),
  /** What became of connections, and how many. */
  outcomes: z.record(z.string(), z.int()),
  /** Half of those that somebody served were served within so long of their last byte. */
  medianMs: z.number().nullable(),
});
export const answerSchema = z.array(outcomesSchema);
export type Outcomes = z.infer<typeof outcomesSchema>;
