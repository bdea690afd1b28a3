/**
 * The settings of a head and of a delivery: one schema each gives the defaults, the checks, the command line's help and
 * the JSON schema for editors. A setting `headTimeout` is `--head-timeout` on the command line.
 */
import { availableParallelism } from 'node:os';
import { BatonError } from './errors.ts';
import * as z from './schema.ts';
import { servedNames, splitNames } from './served-names.ts';
import {
  address,
  bytes,
  duration,
  file,
  files,
  ofThisProcess,
  path,
  reachable,
  several,
  text,
  traced,
  vips,
  whole,
  wholeOr,
} from './setting-kinds.ts';
import { readSmallFile } from './small-file.ts';
import { modes, placed } from './status.ts';
import { creditsRange, deliveryName, LANES_MAX, weightRange } from './wire/control.ts';

/** The longest request head that a head can be told to take, bytes. */
export const HEAD_BYTES_MAX = 65_536;

/** Of one delivery. */
const HEADS_MAX = 8;

export const headSchema = z
  .strictObject({
    listen: address
      .default('127.0.0.1:8080')
      .describe('where clients connect, HOST:PORT (port 0: any free one)'),
    mode: z
      .enum(modes)
      .default('handoff')
      .describe('what to do with a connection')
      .meta({ placeholder: 'MODE' }),
    policy: z
      .string()
      .default('round-robin')
      .describe('how to choose a delivery')
      .meta({ placeholder: 'POLICY' }),
    distribute: z
      .enum(placed)
      .default('connections')
      .describe(
        'what the policy places: connections, once; or requests: a connection that is kept alive goes to the delivery that is chosen for its next one',
      )
      .meta({ placeholder: 'connections|requests' }),
    workers: wholeOr(z.int().min(1).max(LANES_MAX), Math.max(1, availableParallelism() >> 1))
      .describe('threads, each with its own listener and accept queue')
      .meta(ofThisProcess('half of the processors')),
    backlog: wholeOr(
      z
        .int()
        .min(1)
        .max(1 << 20),
      4096,
    ).describe('connections that may wait in each accept queue (capped by net.core.somaxconn)'),
    deferAccept: duration('0', 0, 60_000).describe(
      'leave a connection with the kernel until its request begins to arrive, about this long (0: no)',
    ),
    socket: path.optional().describe("the deliveries' Unix socket"),
    group: text
      .meta({ placeholder: 'GROUP' })
      .optional()
      .describe(
        'a group (name or number) whose members may register deliveries too (default: only the same user)',
      ),
    adminSocket: path.optional().describe('the admin Unix socket (default: beside --socket)'),
    metrics: address
      .optional()
      .describe('where Prometheus finds /metrics over TCP, HOST:PORT; for nothing else (default: nowhere)'),
    control: address
      .optional()
      .describe('where deliveries of other hosts register, HOST:PORT (with --secret; needs root)'),
    secret: file
      .optional()
      .describe('a file, readable by its owner alone, with the secret that remote deliveries share'),
    interface: text
      .meta({ placeholder: 'NAME' })
      .optional()
      .describe('the network card that clients come through (default: the one with the listen address)'),
    flows: wholeOr(
      z
        .int()
        .min(1)
        .max(1 << 22),
      262_144,
    ).describe('connections on other hosts at once; their memory, 200 bytes each, is taken at the start'),
    holdUnknown: duration('0', 0, 60_000).describe(
      'with another head for the same address: for so long after the address has come here, packets of connections that it does not know are dropped, and not answered by a reset (0: there is no other head)',
    ),
    expect: wholeOr(z.int().min(1).max(256), 1).describe(
      'deliveries of other hosts that have to have told their connections before `status --ready` says yes',
    ),
    readyWithin: duration('10s', 0, 600_000).describe(
      'after so long `status --ready` asks for one delivery only',
    ),
    adoptTimeout: duration('1s', 10, 60_000).describe('time for a remote delivery to adopt a connection'),
    tlsCertificate: files
      .optional()
      .describe(
        'to redirect over TLS too: a certificate with its chain, PEM, or several: A,B (read again on SIGHUP)',
      ),
    tlsKey: files.optional().describe('the key of each certificate, in the same order'),
    maxConnections: whole(
      z
        .int()
        .min(1)
        .max(1 << 20),
    )
      .optional()
      .describe(
        'connections that the head itself holds at once (default: what the limit on open files allows)',
      ),
    headBytes: bytes('16k', 256, HEAD_BYTES_MAX).describe('longest request head'),
    headTimeout: duration('10s', 10, 3_600_000).describe('time for a request head to arrive'),
    lingerIdle: duration('5s', 10, 600_000).describe(
      'after an answer: wait for more input at most this long',
    ),
    lingerTotal: duration('60s', 10, 3_600_000).describe('after an answer: a connection ends at this age'),
    lingerBytes: bytes('64m', 0, 2 ** 40).describe('after an answer: input that is thrown away at most'),
    stallTimeout: duration('2s', 50, 600_000).describe(
      'a delivery that does not react for this long is dropped',
    ),
    firstDeliveryWithin: duration('1s', 0, 60_000).describe(
      'at the start connections wait in the accept queue until a delivery has registered, at most this long',
    ),
    forgetAfter: duration('10m', 100, 2_147_483_647).describe(
      'a delivery that has gone is listed for this long',
    ),
    ioUring: z
      .enum(['auto', 'off'])
      .meta({ placeholder: 'auto|off' })
      .default('auto')
      .describe('auto: system calls in batches with io_uring(7) where the kernel has it; off: one by one'),
    stopTimeout: duration('10s', 0, 600_000).describe('on SIGTERM: time to pass on what is queued'),
    trace: traced,
  })
  .meta({ title: 'baton head' });

export const deliverySchema = z
  .strictObject({
    name: deliveryName
      .meta({ placeholder: 'NAME' })
      .optional()
      .describe('its name; unique under a head (default: made up)'),
    head: several(HEADS_MAX, `a path or HOST:PORT, or a list of ${HEADS_MAX} at most`)
      .meta({ placeholder: 'PATH|HOST:PORT' })
      .optional()
      .describe(
        "the head's Unix socket, or HOST:PORT of a head on another host (its --control); given again: another head that may stand in for it",
      ),
    secret: file
      .optional()
      .describe('for a head on another host: a file, readable by its owner alone, with the shared secret'),
    vip: vips
      .optional()
      .describe('for a head on another host: the address that clients connect to, also on this host (lo)'),
    direct: address.default('127.0.0.1:0').describe('where clients reach it without the head, HOST:PORT'),
    advertise: reachable
      .optional()
      .describe('what Location headers say, [https://]HOST:PORT (default: --direct as bound)'),
    app: file
      .optional()
      .describe('a module whose default export is a Node request listener (default: the lab application)'),
    tlsCertificate: file
      .optional()
      .describe(
        'a certificate with its chain (PEM): it speaks HTTPS as well, with clients that begin so, on the same port (read again on SIGHUP)',
      ),
    tlsKey: file.optional().describe('the key of --tls-certificate (PEM)'),
    http2: z
      .enum(['on', 'off'])
      .meta({ placeholder: 'on|off' })
      .optional()
      .describe(
        'on: HTTP/2 as well, where --tls-certificate is given (default: off with --app, whose module may not know it, on without)',
      ),
    ticketSecret: file
      .optional()
      .describe(
        'a file, readable by its owner alone, with a secret that deliveries share: a client resumes its TLS session at any of them',
      ),
    halfOpen: z
      .enum(['on', 'off'])
      .meta({ placeholder: 'on|off' })
      .optional()
      .describe(
        'on: a client that has ended its side is still answered; off: as by any Node server, its connection ends (default: off with --app, on without)',
      ),
    credits: whole(creditsRange)
      .optional()
      .describe(
        'connections that it holds at once (default: what the limit on open files allows, at most 10000)',
      ),
    weight: wholeOr(weightRange, 1).describe('its share under the policies that know weights'),
    serves: z
      .string()
      .refine((list) => servedNames.safeParse(splitNames(list)).success, {
        message: 'expected names such as shop.example, *.img.example or *, with commas between them',
      })
      .meta({ placeholder: 'NAMES' })
      .optional()
      .describe("names of servers, by TLS's server name or Host: A,*.B (default: every name)"),
    metrics: address
      .optional()
      .describe('where Prometheus finds /metrics over TCP, HOST:PORT; for nothing else (default: nowhere)'),
    drainTimeout: duration('10s', 0, 3_600_000).describe('on SIGTERM: time for requests in progress to end'),
    move: z
      .enum(['on', 'off'])
      .meta({ placeholder: 'on|off', shown: 'off' })
      .default('off')
      .describe(
        'on SIGTERM, on: its connections go to other deliveries of the same head, between two requests, instead of being closed',
      ),
    trace: traced,
  })
  .meta({ title: 'baton delivery' });

export type HeadSettings = z.infer<typeof headSchema>;
export type DeliverySettings = z.infer<typeof deliverySchema>;

export const flagOf = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Far above any set of settings, bytes. */
const CONFIG_MAX = 64 * 1024;

/** Reads a JSON file of settings. */
function readConfigFile(file: string): Record<string, unknown> {
  try {
    const { text } = readSmallFile(file, CONFIG_MAX);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error('it is not a JSON object');
    const twice = keyGivenTwice(text);
    if (twice !== undefined) throw new Error(`"${twice}" is in it twice`);
    return value as Record<string, unknown>;
  } catch (error) {
    throw new BatonError('CONFIG_UNREADABLE', { file, problem: (error as Error).message }, error);
  }
}

/** Of an object as text that JSON.parse has taken, in which the last one of the same name would count without a word. */
function keyGivenTwice(text: string): string | undefined {
  const keys = new Set<string>();
  let depth = 0;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && token.endsWith(':')) {
      const key = JSON.parse(token.slice(0, -1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/**
 * The settings from a file (if any) and the command line, which wins. Throws UNKNOWN_OPTION or BAD_OPTION, and says
 * whether the file or the command line is wrong.
 */
export function resolveSettings<T>(
  schema: z.Schema<T> & { readonly shape: object },
  flags: Record<string, unknown>,
  file?: string,
): T {
  const fromFile = file === undefined ? {} : readConfigFile(file);
  // An editor's pointer to the schema is no setting.
  delete fromFile.$schema;
  const result = schema.safeParse({ ...fromFile, ...flags });
  if (result.success) return result.data;
  const { path: where, message, unknownKey } = result.issue;
  if (unknownKey !== undefined) {
    const known = Object.keys(schema.shape).join(', ');
    throw new BatonError('UNKNOWN_OPTION', { where: file ?? 'settings', key: unknownKey, known });
  }
  const key = String(where[0]);
  const inFlags = key in flags;
  const value = inFlags ? flags[key] : fromFile[key];
  throw new BatonError('BAD_OPTION', {
    option: inFlags ? flagOf(key) : `${file}: ${key}`,
    problem: message,
    value: JSON.stringify(value) ?? 'nothing',
  });
}
