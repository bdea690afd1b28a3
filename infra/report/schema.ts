/**
 * The report of one experiment: `reports/NAME-TIME.json`. All durations are in the unit that their name says; a
 * reader that knows `schema` 3 can read every report that says 2 or 3: with 3 came the phase `secure`, which was nothing before.
 * `baton lab schema` prints it as a JSON Schema.
 */
import { z } from 'zod';
import { type Comparison, verdicts } from '../statistics/verdict.ts';
import { spreadSchema, visitResultSchema } from '../visits/result.ts';
import { chartSchema, heatSchema, tableSchema } from './chart.ts';

export const REPORT_SCHEMA = 3;

const overRounds = z
  .object({
    median: z.number(),
    low: z.number(),
    high: z.number().describe('low to high: 95 % bootstrap interval of the median over the rounds'),
    min: z.number(),
    max: z.number(),
  })
  .describe('of one figure over the rounds');

const roundSchema = z.object({
  round: z.int().min(1),
  visits: visitResultSchema,
  headConnections: z.int().min(0).describe('accepted by the head in this round, warm-up included'),
  headCpuMicrosPerConnection: z
    .number()
    .nullable()
    .describe('user and system time of the head process over those connections; null when there were none'),
});

const caseSchema = z.object({
  name: z.string().describe('unique in its report; the same in every report of the same experiment'),
  way: z.string().describe('how visits went, e.g. direct, handoff-fd, redirect'),
  x: z.number().nullable().describe('where it lies on the axis `x` of the report'),
  description: z.string(),
  rounds: z.array(roundSchema),
  summary: z
    .object({
      p50: overRounds,
      p90: overRounds,
      p99: overRounds,
      max: overRounds.describe('microseconds, like p50, p90 and p99'),
      visits: z.int(),
      failures: z.record(z.string(), z.int()),
      connectionsPerVisit: z.number(),
      headCpuMicrosPerConnection: overRounds.nullable(),
      latency: spreadSchema.describe('of the visits of all rounds together'),
      phaseMeans: z
        .record(z.string(), z.number())
        .describe('microseconds; they add up to the mean of the total'),
    })
    .nullable()
    .describe('null when no round of it was measured'),
});

const comparisonSchema = z.object({
  name: z.string().describe('where the two were compared'),
  a: z.string(),
  b: z.string(),
  aMicros: z.number().describe('median over the rounds of p50'),
  bMicros: z.number(),
  differenceMicros: z.number().describe('b less a, with its 95 % bootstrap interval'),
  lowMicros: z.number(),
  highMicros: z.number(),
  p: z.number().describe('of a permutation test over rounds, corrected for the number of comparisons'),
  verdict: z.enum(verdicts).describe('of b, seen from a'),
});

const saturationSchema = z.object({
  name: z.string(),
  description: z.string(),
  connections: z.int(),
  seconds: z.number(),
  requestsPerSecond: z.number(),
  errors: z.int().describe('connection errors, time-outs and answers outside 2xx'),
});

export const environmentSchema = z.object({
  lab: z.string(),
  machine: z.string().describe('processor model'),
  cores: z.int(),
  memoryBytes: z.number(),
  architecture: z.string(),
  kernel: z.string(),
  node: z.string(),
  baton: z.string(),
  versions: z.record(z.string(), z.string()),
  congestionControl: z.string(),
  sysctls: z
    .record(z.string(), z.string())
    .describe('as read from /proc/sys; those that cannot be read are absent'),
  loadAverage: z.number().describe('over the minute before the start: what else the machine was doing'),
});

export const reportSchema = z.object({
  schema: z.literal([2, REPORT_SCHEMA]),
  kind: z.literal('baton-report'),
  experiment: z.string(),
  title: z.string(),
  question: z.string(),
  answer: z.string().describe('in a sentence or two, from the figures'),
  command: z.string().describe('repeats it'),
  startedAt: z.string().describe('ISO 8601'),
  seconds: z.number(),
  complete: z.boolean().describe('false when it was interrupted'),
  environment: environmentSchema,
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
  x: z
    .object({
      title: z.string(),
      unit: z.string(),
      labels: z.array(z.string()).optional().describe('names of the places 0, 1, ... where they have names'),
    })
    .nullable()
    .describe('what differs between cases of the same way; null when nothing does'),
  cases: z.array(caseSchema),
  comparisons: z.array(comparisonSchema),
  charts: z.array(chartSchema),
  heats: z
    .array(heatSchema)
    .optional()
    .describe('of what was seen live; other reports have what their rounds say'),
  tables: z.array(tableSchema),
  saturation: z
    .array(saturationSchema)
    .describe('requests on connections that stay open, as fast as they go'),
  notes: z.array(z.string()).describe('what a reader must know to read the figures rightly'),
  warnings: z.array(z.string()).describe('what went wrong with the measurement itself'),
});

export type Report = z.infer<typeof reportSchema>;
export type Case = z.infer<typeof caseSchema>;
export type Round = z.infer<typeof roundSchema>;
export type CaseSummary = NonNullable<Case['summary']>;
export type OverRounds = z.infer<typeof overRounds>;
export type ReportComparison = z.infer<typeof comparisonSchema>;
export type Saturation = z.infer<typeof saturationSchema>;
export type Environment = z.infer<typeof environmentSchema>;

/** A comparison of figures in microseconds as reports have it; `a` and `b` say what was compared. */
export function reported(found: Comparison, a: string, b: string): ReportComparison {
  return {
    name: found.name,
    a,
    b,
    aMicros: found.a,
    bMicros: found.b,
    differenceMicros: found.difference,
    lowMicros: found.low,
    highMicros: found.high,
    p: found.p,
    verdict: found.verdict,
  };
}

/** The same as a JSON Schema, for readers in other languages. */
export function reportJsonSchema() {
  return z.toJSONSchema(reportSchema, { io: 'input' });
}
