/** What a run of visits answers: plain JSON, checked wherever it crosses a process or a file. */
import { z } from 'zod';
import { arrivalKinds } from './arrivals.ts';

const count = z.int().min(0);
const micros = z.number().min(0);
const counts = z.record(z.string(), count);

export const spreadSchema = z.object({
  count,
  min: micros,
  mean: micros,
  p50: micros,
  p90: micros,
  p99: micros,
  p999: micros.describe('99.9th percentile'),
  max: micros,
});

const measureSchema = spreadSchema.extend({
  histogram: z
    .string()
    .describe(
      'HdrHistogram of microseconds, V2 compressed, base64; those of several runs can be added together',
    ),
});

/** The parts of a successful visit, in their order; they add up to the total. */
export const phaseNames = [
  'late',
  'redirectHop',
  'connect',
  'firstByte',
  'lastByte',
  'moreRequests',
] as const;
export type PhaseName = (typeof phaseNames)[number];

export const visitResultSchema = z.object({
  urls: z.array(z.string()).describe('visited in turns; without user and password'),
  arrivals: z.enum(arrivalKinds),
  seed: count.describe('of Poisson arrivals: the same seed gives the same arrivals'),
  offeredRate: z.number().describe('visits per second, as asked for'),
  achievedRate: z
    .number()
    .describe('visits per second that were begun, over the time that beginning them took'),
  durationMs: z.number(),
  warmUpMs: z
    .number()
    .describe('visited at the same rate before the measurement, and not part of any figure'),
  requestsPerVisit: count,
  timeoutMs: z.number().describe('of a whole visit, from its intended start'),
  startedAt: z.string().describe('when the measurement began, ISO 8601'),
  complete: z.boolean().describe('false when the run was interrupted'),
  visits: count.describe('succeeded + failed'),
  succeeded: count,
  failed: count,
  interrupted: count.describe('still going on when the run was interrupted; neither succeeded nor failed'),
  failures: counts.describe(
    'failed visits by name, e.g. refused, reset, timeout, bad_answer, status_5xx; not_sent, over_cap, no_port, no_file_descriptor, no_memory and not_permitted are of the generating machine',
  ),
  statuses: counts.describe('final answers by status'),
  redirects: counts.describe(
    'answers that were followed elsewhere, by status; 201 is followed here as 307 is',
  ),
  connections: count.describe('opened by all visits together'),
  requests: count,
  bodyBytes: count,
  latency: measureSchema.describe(
    'successful visits, from the intended start to the last byte of the last answer',
  ),
  failedAfter: spreadSchema.describe('failed visits, from the intended start to the failure'),
  phases: z.object({
    late: measureSchema.describe("intended start to actual start: the generator's own share"),
    redirectHop: measureSchema.describe(
      'start to the end of the last redirecting answer; 0 without a redirect',
    ),
    connect: measureSchema.describe(
      'until the final connection is established; other addresses of the name that were tried before are part of it',
    ),
    firstByte: measureSchema.describe('until the first byte of its answer'),
    lastByte: measureSchema.describe('until the last byte of that answer'),
    moreRequests: measureSchema.describe('all further requests of the visit'),
  }),
  lateness: z.object({
    lateAfterMicros: micros.describe('a visit begun later than this is counted as late'),
    late: count,
    p50: micros,
    p99: micros,
    max: micros,
  }),
  generator: z.object({
    cpuMicros: micros.describe('of the generating process during the measurement'),
    cpuShare: z.number().describe('of one core'),
    realtime: z
      .boolean()
      .describe('it ran before everything else (SCHED_FIFO), so that a busy machine did not delay its clock'),
    keptUp: z.boolean().describe('false when the figures say more about the generator than about the server'),
    warnings: z.array(z.string()),
  }),
  samples: z
    .object({
      startMicros: z.array(z.number()).describe('intended start, since the measurement began'),
      totalMicros: z
        .array(z.number())
        .describe('as in latency; of a failed visit, minus the time until it failed'),
      lateMicros: z.array(z.number()).describe('intended start to actual start'),
      connectMicros: z.array(z.number()).describe('as in phases; 0 when it was never connected'),
      ports: z.array(count).describe("the client's port on the last connection; 0 when there was none"),
    })
    .optional()
    .describe('every visit in the order of its end'),
});

export type VisitResult = z.infer<typeof visitResultSchema>;
export type Measure = z.infer<typeof measureSchema>;
