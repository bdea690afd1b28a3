/** What a client of long-lived connections is told, and what it answers: both as JSON, between two processes. */
import { z } from 'zod';

export const whats = ['WebSocket', 'events'] as const;
export type What = (typeof whats)[number];

export const ordersSchema = z.object({
  /** HOST:PORT of whoever is asked, in turns. */
  hosts: z.array(z.string()).min(1),
  /** A file with the certificate that is trusted. */
  caFile: z.string(),
  /** Of each kind. */
  connections: z.int().positive(),
  /** From one message of a connection to the next, and from one new connection of each kind to the next. */
  everyMs: z.int().positive(),
  newEveryMs: z.int().positive(),
  /** Milliseconds since 1970: everything is open by then; and how long it is watched from there on. */
  startAt: z.number(),
  durationMs: z.int().positive(),
});
export type Orders = z.infer<typeof ordersSchema>;

const countsSchema = z.object({
  what: z.enum(whats),
  overTls: z.boolean(),
  /** Connections that were not there when the measurement began. */
  late: z.int(),
  /** Messages that should have come, and those that did not. */
  due: z.int(),
  lost: z.int(),
  longestGapMs: z.number(),
  connectionsLost: z.int(),
  /** Messages that came in each tenth of a second. */
  came: z.array(z.int()),
  /** New connections, when each was begun: until its first message, negative where that never came. */
  newAtMs: z.array(z.number()),
  newTookMs: z.array(z.number()),
});
export const answerSchema = z.array(countsSchema);
export type Counts = z.infer<typeof countsSchema>;

export const BIN_MS = 100;
