/** What the client of streams is told, and what it answers: both as JSON, between two processes. */
import { z } from 'zod';

export const ordersSchema = z.object({
  /** HOST:PORT of whoever is asked. */
  host: z.string(),
  streams: z.int().positive(),
  /** From one message of a stream to the next. */
  everyMs: z.int().positive(),
  /** Milliseconds since 1970: all are open by then; and how long they are watched from there on. */
  startAt: z.number(),
  durationMs: z.int().positive(),
});
export type Orders = z.infer<typeof ordersSchema>;

export const BIN_MS = 100;

export const streamsSchema = z.object({
  /** Open when the measurement began. */
  open: z.int(),
  /** Of those, ended before it was over: when, and by what. */
  lost: z.array(z.object({ atMs: z.number(), how: z.string() })),
  messages: z.int(),
  /** Not back at the end, of streams that were not lost. */
  unanswered: z.int(),
  /** The longest that a message was on its way there and back, and when it had been sent. */
  longestMs: z.number(),
  longestAtMs: z.number(),
  /** The longest of the messages that were sent in each tenth of a second; null where none was. */
  slowestMs: z.array(z.number().nullable()),
});
export type Streams = z.infer<typeof streamsSchema>;
