/** What a run of visits answers: plain JSON, checked wherever it crosses a process or a file. */
import { z } from 'zod';
import { arrivalKinds } from './arrivals.ts';
import { createHistogram, encodeHistogram, spread } from './histogram.ts';

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

/** A measure of nothing. */
const unmeasured = () => ({
  ...spread(createHistogram()),
  histogram: encodeHistogram(createHistogram()),
});

/** Reports before schema 3 have none. */
const moments = z.array(z.number()).default(() => []);

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
  requestsPerVisit: z
    .number()
    .min(0)
    .describe('the mean that was asked for, where it is not the same for all'),
  visitors: z
    .object({ requests: z.string(), lifetime: z.string() })
    .optional()
    .describe(
      'how they differ, as it was asked for; absent where they do not. A visitor that stays pauses between requests, which is in no figure',
    ),
  timeoutMs: z.number().describe('of a whole visit, from its intended start'),
  startedAt: z.string().describe('when the measurement began, ISO 8601'),
  complete: z.boolean().describe('false when the run was interrupted'),
  visits: count.describe('succeeded + failed'),
  succeeded: count,
  failed: count,
  interrupted: count.describe('still going on when the run was interrupted; neither succeeded nor failed'),
  failures: counts.describe(
    'failed visits by name, e.g. refused, reset, timeout, bad_answer, status_5xx, tls_unknown_ca; not_sent, over_cap, no_port, no_file_descriptor, no_memory and not_permitted are of the generating machine',
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
    secure: measureSchema
      .default(unmeasured)
      .describe(
        'until the last packet has come that its handshake of TLS needs; 0 without TLS. Reports before schema 3 have none',
      ),
    firstByte: measureSchema.describe('until the first byte of its answer'),
    lastByte: measureSchema.describe('until the last byte of that answer'),
    moreRequests: measureSchema.describe(
      'all further requests of the visit, and the messages of a WebSocket',
    ),
  }),
  tls: z
    .object({
      handshakes: count.describe('by all visits together'),
      resumed: count.describe('of these, those that resumed an earlier session'),
      resumedVisits: count.describe('visits that succeeded and whose every handshake resumed a session'),
      versions: counts.describe('handshakes by version'),
      protocols: counts.describe(
        'handshakes by what the server chose with ALPN; none where it chose nothing',
      ),
    })
    .optional()
    .describe('absent when no handshake of TLS was done'),
  messages: z
    .object({
      answered: count.describe('that were sent on WebSockets and came back'),
      roundTrip: measureSchema.describe('from sending one until it had come back'),
    })
    .optional()
    .describe('absent without WebSockets'),
  lateness: z
    .object({
      lateAfterMicros: micros.describe('a visit begun later than this is counted as late'),
      late: count,
      p50: micros,
      p99: micros,
      max: micros,
    })
    .describe('of several processes: the worst of them'),
  generator: z.object({
    cpuMicros: micros.describe('of the generating process during the measurement'),
    cpuShare: z.number().describe('of one core'),
    processes: z
      .int()
      .min(1)
      .default(1)
      .describe('that visited together; the figures of this part are their sums'),
    realtime: z
      .boolean()
      .describe('it ran before everything else (SCHED_FIFO), so that a busy machine did not delay its clock'),
    work: z
      .object({ secure: spreadSchema, firstByte: spreadSchema })
      .optional()
      .describe(
        'what the generator itself took of these phases of successful visits, in microseconds: from when something had come until what it wrote upon it. Known of TLS, HTTP/2 and WebSockets; with plain HTTP/1.1 there is next to none',
      ),
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
      secureMicros: moments.describe('as in phases; 0 when it was never secured'),
      firstByteMicros: moments.describe('as in phases; 0 when there was none'),
      workMicros: moments.describe("the generator's own part of the two"),
      ports: z.array(count).describe("the client's port on the last connection; 0 when there was none"),
    })
    .optional()
    .describe('every visit in the order of its end'),
});

export type VisitResult = z.infer<typeof visitResultSchema>;
export type Measure = z.infer<typeof measureSchema>;
