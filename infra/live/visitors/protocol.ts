/** What the visitors of a live page are told, and what they tell: a line of JSON each. */
import { z } from 'zod';
import { visitResultSchema } from '../../visits/result.ts';

/** A way to go from now on; what went on before ends by itself. */
export interface Order {
  /** Told again with all that comes of it. */
  readonly stretch: number;
  readonly way: string;
  /** None: nobody visits. */
  readonly urls: readonly string[];
  readonly rate: number;
  readonly windowMs: number;
  /** How many windows; null: until another order. `over` is told when all their visits are. */
  readonly windows: number | null;
  /** Visits of this way went on right before: its first window is like the others. */
  readonly warm: boolean;
  readonly timeoutMs: number;
}

/** `tell`: what has ended since the last time. */
export type ToVisitors = { readonly order: Order } | { readonly tell: number };

/** Of one way; durations in microseconds. */
const toldSchema = z.object({
  done: z.int(),
  failures: z.record(z.string(), z.int()),
  p50: z.number(),
  p90: z.number(),
  p99: z.number(),
  max: z.number(),
  /** Bucket and count, one after the other: see buckets.ts. */
  heat: z.array(z.int()),
});

export const fromVisitorsSchema = z.union([
  z.object({
    told: z.int(),
    inFlight: z.int(),
    ways: z.record(z.string(), toldSchema),
    busy: z.number().describe('share of a core that they take'),
  }),
  z.object({
    stretch: z.int(),
    way: z.string(),
    /** Milliseconds since 1970. */
    from: z.number(),
    until: z.number(),
    whole: z.boolean().describe('it was neither the first of its stretch nor cut short'),
    result: visitResultSchema,
  }),
  z.object({ over: z.int() }),
]);

export type Told = z.infer<typeof toldSchema>;
export type FromVisitors = z.infer<typeof fromVisitorsSchema>;
export type VisitedWindow = Extract<FromVisitors, { whole: boolean }>;
