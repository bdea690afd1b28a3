/**
 * A lab in a file: what may be in it. From this come the checks, the types and the JSON Schema that editors read
 * (docs/lab.schema.json, made by `baton lab schema --of file`).
 */
import { deliverySchema, headSchema } from '../../../shared/config.ts';
import * as z from '../../../shared/schema.ts';
import { modes } from '../../../shared/status.ts';
import { parseDuration } from '../../../shared/units.ts';
import { arrivalKinds } from '../../visits/arrivals.ts';
import { type Distribution, LIFETIME, parseDistribution, REQUESTS } from '../../visits/distribution.ts';
import { bitRate, duration, percent } from './quantities.ts';

const HOUR_MS = 3_600_000;
const DELIVERIES_MAX = 64;
const ROUNDS_MAX = 100;

/** Ways of a visit, as reports name them. */
export const wayNames = ['direct', 'handoff-fd', 'handoff-migrate', 'redirect', 'created'] as const;

/** Network cards are called after hosts, and have 15 characters (IFNAMSIZ). */
const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,9}$/,
    'expected a name of up to 10 small letters, digits and dashes, as d1 or shop-a',
  );

const link = {
  delay: duration(0, 10_000).optional().describe('one way, so that a round trip takes twice as long'),
  jitter: duration(0, 10_000).optional().describe('the delay is longer or shorter by this at most'),
  loss: percent.optional().describe('the share of the frames that is lost'),
  rate: bitRate.optional().describe('bits a second, as 10mbit'),
};

const cable = z
  .strictObject({
    ...link,
    out: z.strictObject(link).optional().describe('other values for what leaves the host'),
    in: z.strictObject(link).optional().describe('other values for what comes to the host'),
  })
  .describe('what it does to what passes, both ways where nothing else is said');

/** Those of a head's and a delivery's settings that the lab does not give itself, by the names that they have in JSON. */
function settings<const S extends Readonly<Record<string, z.Schema<unknown>>>>(
  shape: S,
  given: readonly string[],
) {
  const free = Object.entries(shape).filter(([key]) => !given.includes(key));
  return z.strictObject(Object.fromEntries(free.map(([key, schema]) => [key, withoutDefault(schema)])));
}

const withoutDefault = (schema: z.Schema<unknown>): z.Schema<unknown> =>
  schema.optional().meta({ default: undefined, placeholder: undefined, shown: undefined });

const given = {
  head: [
    ...['listen', 'mode', 'policy', 'workers', 'socket', 'adminSocket', 'control', 'secret', 'interface'],
    ...['tlsCertificate', 'tlsKey', 'group', 'trace'],
  ],
  delivery: [
    ...['name', 'head', 'secret', 'vip', 'direct', 'advertise', 'weight', 'credits', 'serves'],
    ...['tlsCertificate', 'tlsKey', 'ticketSecret', 'trace'],
  ],
};

const delivery = z
  .strictObject({
    name,
    host: z
      .enum(['own', 'head'])
      .default('own')
      .describe(
        "own: a host of its own, to which connections move; head: the head's. On loopback there is one host",
      ),
    weight: deliverySchema.shape.weight
      .describe('its share under the policies that know weights')
      .meta({ placeholder: undefined, shown: undefined }),
    credits: withoutDefault(deliverySchema.shape.credits) as typeof deliverySchema.shape.credits,
    serves: withoutDefault(deliverySchema.shape.serves) as typeof deliverySchema.shape.serves,
    options: settings(deliverySchema.shape, given.delivery)
      .optional()
      .describe('other settings of baton delivery, in camelCase'),
  })
  .meta({ required: ['name'] });

const drawn = (quantity: typeof REQUESTS, read: (text: string) => number | undefined, expected: string) =>
  z.written<Distribution>((text) => parseDistribution(text, { ...quantity, read }) ?? { expected });

const visits = z.strictObject({
  rate: z.number().min(0.01).max(100_000).default(100).describe('visits a second'),
  duration: duration(50, HOUR_MS).default(10_000).meta({ default: '10s' }).describe('of each turn'),
  warmUp: duration(0, HOUR_MS).default(0).meta({ default: 0 }).describe('before it, in no figure'),
  arrivals: z.enum(arrivalKinds).default('poisson').describe('how they are spread over time'),
  timeout: duration(10, HOUR_MS).default(10_000).meta({ default: '10s' }).describe('of a whole visit'),
  paths: z
    .array(z.string().regex(/^\/[!-~]*$/, 'expected a path that begins with /'))
    .max(64)
    .default(['/bytes/1000'])
    .describe('asked for in turns'),
  requestsPerVisit: drawn(
    REQUESTS,
    (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined),
    `a whole number from 1 to ${REQUESTS.most}, or uniform:1-9, geometric:3, exponential:3`,
  )
    .optional()
    .describe('on one connection: a number, or what it is drawn from'),
  lifetime: drawn(
    LIFETIME,
    (text) => (/[a-z]$/.test(text) ? parseDuration(text) : undefined),
    'a duration with its unit, or uniform:1s-9s, exponential:5s',
  )
    .optional()
    .describe('how long a visitor stays, its requests spread over that'),
});

type Visits = z.infer<typeof visits>;
const usual = visits.safeParse({});
/** Where nothing is said. */
export const usualVisits: Visits = (usual as { readonly data: Visits }).data;

const steps = new z.Schema<string | string[]>(
  (value) =>
    (Array.isArray(value) ? z.array(z.string()).read(value) : z.string().read(value)) as string | string[],
  { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
);

export const labFileSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected small letters, digits and dashes, as two-shops')
      .optional()
      .describe("of the experiment, as reports have it (default: the file's)"),
    title: z.string().min(1).max(200).optional(),
    question: z.string().min(1).max(500).optional().describe('that the experiment answers'),
    on: z
      .enum(['loopback', 'netns', 'vagrant'])
      .optional()
      .describe('the kind of lab; --on has the last word'),
    heads: z.int().min(1).max(2).default(1).describe('how many heads share the address'),
    head: z
      .strictObject({
        mode: z.enum(modes).optional(),
        policy: z.string().optional(),
        workers: z.int().min(1).max(64).optional(),
        options: settings(headSchema.shape, given.head)
          .optional()
          .describe('other settings of baton head, in camelCase'),
      })
      .optional(),
    deliveries: z.array(delivery).max(DELIVERIES_MAX),
    cables: z
      .record(cable)
      .optional()
      .describe('by host: client, head, or a delivery that has one of its own'),
    timetable: z
      .record(steps)
      .optional()
      .describe('what happens when, since the visits began: `at 10s: kill d1`, or a list of such steps')
      .meta({ propertyNames: { pattern: '^at \\d+(\\.\\d+)?(us|ms|s|m|h)$|^at 0$' } }),
    visits: visits.optional().describe('what `baton lab run` does'),
    ways: z
      .array(z.enum(wayNames))
      .max(wayNames.length)
      .optional()
      .describe('of these, in turns (default: all there are)'),
    rounds: z.int().min(1).max(ROUNDS_MAX).default(3).describe('in which each way has a turn'),
  })
  .meta({ title: 'A lab of Baton', required: ['deliveries'] });

export type LabFile = z.infer<typeof labFileSchema>;
export type FileDelivery = LabFile['deliveries'][number];
export type FileCable = z.infer<typeof cable>;

/** For editors. */
export function labFileJsonSchema(): object {
  const { properties, ...rest } = labFileSchema.json;
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...rest,
    properties: { $schema: { type: 'string' }, ...(properties as object) },
  };
}
