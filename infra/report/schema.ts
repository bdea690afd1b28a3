import { z } from 'zod';
import { spreadSchema, visitResultSchema } from '../visits/result.ts';

/**
 * The report of one experiment: `reports/NAME-TIME.json`. All durations are in the unit that their name says; a
 * reader that knows `schema` 1 can read every report that says 1.
 */

export const reportSchemaVersion = 1;

const overRounds = z
  .object({ median: z.number(), min: z.number(), max: z.number() })
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
  name: z.string(),
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
  schema: z.literal(reportSchemaVersion),
  kind: z.literal('baton-report'),
  experiment: z.string(),
  title: z.string(),
  question: z.string(),
  answer: z.string().describe('one sentence, from the figures'),
  command: z.string().describe('repeats it'),
  startedAt: z.string().describe('ISO 8601'),
  seconds: z.number(),
  complete: z.boolean().describe('false when it was interrupted'),
  environment: environmentSchema,
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
  cases: z.array(caseSchema),
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
export type Saturation = z.infer<typeof saturationSchema>;
export type Environment = z.infer<typeof environmentSchema>;

/** The same as a JSON Schema, for readers in other languages. */
export function reportJsonSchema() {
  return z.toJSONSchema(reportSchema);
}
