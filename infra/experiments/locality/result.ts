/** What the clients of `locality` are told, and what they answer: both as JSON, between two processes. */
import { z } from 'zod';

export const ordersSchema = z.object({
  /** HOST:PORT that is asked. */
  address: z.string(),
  /** HOST:PORT of each delivery, to empty its cache. */
  direct: z.array(z.string()),
  cacheSize: z.int().positive(),
  pages: z.int().positive(),
  /** Of Zipf's law: the page of rank N is asked for in proportion to 1 / N ** exponent. */
  exponent: z.number(),
  clients: z.int().positive(),
  /** Of each connection. */
  requests: z.int().positive(),
  /** Until the caches have what they can have; and measured from then on. */
  warmUpMs: z.int(),
  durationMs: z.int().positive(),
  seed: z.int(),
});
export type Orders = z.infer<typeof ordersSchema>;

export const answerSchema = z.object({
  seconds: z.number(),
  /** Answers while it was measured; and those among them that came from a cache. */
  answers: z.int(),
  hits: z.int(),
  /** Requests without an answer. */
  failed: z.int(),
  p50Micros: z.number(),
  p99Micros: z.number(),
});
export type Answer = z.infer<typeof answerSchema>;
