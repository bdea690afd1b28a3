/** What a client of many connections is told, and what it answers: both as JSON, between two processes. */
import { z } from 'zod';

export const stayKinds = ['keep-alive', 'WebSocket', 'half a head', 'lingering'] as const;

export const ordersSchema = z.object({
  /** HOST:PORT of whoever is asked, in turns. */
  hosts: z.array(z.string()).min(1),
  /** Connections that stay, and from one word on each of them to the next. */
  keepAlive: z.int().min(0),
  webSockets: z.int().min(0),
  everyMs: z.int().positive(),
  /** From one connection that sends its request's head in two halves to the next, and between the halves. 0: none. */
  halfEveryMs: z.int().min(0),
  halfMs: z.int().positive(),
  /** From one connection that goes on sending after it has its answer, to the next. 0: none. */
  lingerEveryMs: z.int().min(0),
  /** Milliseconds since 1970: all that stays is open by then; and how long it is watched from there on. */
  startAt: z.number(),
  durationMs: z.int().positive(),
});
export type Orders = z.infer<typeof ordersSchema>;

const countsSchema = z.object({
  kind: z.enum(stayKinds),
  connections: z.int(),
  /** Words that should have been answered, and those that were not, or wrongly. */
  asked: z.int(),
  failed: z.int(),
  /** Connections that ended although nobody here had ended them, by how. */
  ended: z.record(z.string(), z.int()),
  /** From a word to its answer. */
  longestMs: z.number(),
});
export const answerSchema = z.array(countsSchema);
export type Counts = z.infer<typeof countsSchema>;
