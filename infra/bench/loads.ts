/** The load that a contender gets for one sample, from the generator in `c/load.c`, or `tls-load.ts` for whole TLS connections. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Stage } from './stage.ts';

const report = z.object({
  /** Connections on which everything was right. */
  ok: z.int(),
  /** Right answers: as many, or more where connections are used again. */
  answers: z.int(),
  failed: z.record(z.string(), z.int()),
  seconds: z.number(),
  slowestMs: z.number(),
  userMicros: z.number(),
  systemMicros: z.number(),
});

/** What the load generator saw; times of its own CPU. */
export type LoadReport = Readonly<z.infer<typeof report>>;

interface Target {
  /** A burst stops it until the burst is queued. */
  readonly subject: number;
  /** HOST:PORT */
  readonly address: string;
  /** The HTTP status that counts as an answer. */
  readonly status: number;
  /** What goes before the generator's command, see `Running`. */
  readonly from?: readonly string[];
  /** A file with what clients say instead of a request, see `Running`. */
  readonly hello?: string;
  /** A file with the certificate of a server that speaks TLS, see `Running`. */
  readonly trusted?: string;
  /** Requests on each connection, see `Running`. */
  readonly requests?: number;
}

/** Connections a second of those loads that leave a head idle most of the time. */
const RARE = [50, 100, 300] as const;

export const loadNames = [
  'steady',
  'burst',
  'silent-burst',
  'keepalive',
  'requests',
  'large',
  'rare-50',
  'rare-100',
  'rare-300',
] as const satisfies readonly (string | `rare-${(typeof RARE)[number]}`)[];

export interface Load {
  readonly name: (typeof loadNames)[number];
  readonly about: string;
  run(stage: Stage, target: Target): Promise<LoadReport>;
}

/** `concurrent` clients at a time for `seconds`. The generator is slower than a good head, which often waits for it. */
export function steadyLoad(concurrent: number, seconds: number): Load {
  return {
    name: 'steady',
    about: `${concurrent} clients at a time, a new connection for each request; the head often waits`,
    run: (stage, target) => generate(stage, target, [concurrent, seconds]),
  };
}

/** Enough for JavaScript to be compiled, on a machine that is busy as well: so many connections, or as many as fit. */
export function warmUpLoad(concurrent: number, connections: number, seconds: number): Load {
  return {
    name: 'steady',
    about: 'a warm-up',
    run: (stage, target) =>
      generate(stage, target, [
        ...[concurrent, seconds, connections],
        ...(target.requests === undefined ? [] : [0, target.requests]),
      ]),
  };
}

/** Requests on one connection before the client closes it. */
const REQUESTS_PER_CONNECTION = 100;

/** `concurrent` connections at a time for `seconds`, each used again and again: what a connection costs hardly counts. */
export function keepaliveLoad(concurrent: number, seconds: number): Load {
  return {
    name: 'keepalive',
    about: `${concurrent} clients at a time, ${REQUESTS_PER_CONNECTION} requests on each connection`,
    run: (stage, target) => generate(stage, target, [concurrent, seconds, 0, 0, REQUESTS_PER_CONNECTION]),
  };
}

/** As `keepaliveLoad`, with as many requests on each connection as whoever gets them says. */
export function requestsLoad(concurrent: number, seconds: number): Load {
  return {
    name: 'requests',
    about: `${concurrent} clients at a time`,
    run: (stage, target) => generate(stage, target, [concurrent, seconds, 0, 0, target.requests ?? 1]),
  };
}

/** Few clients, whose answers are a megabyte each: what a byte costs, and where it goes. */
export function largeLoad(seconds: number): Load {
  return {
    name: 'large',
    about: '4 clients at a time, a new connection for each answer of 1 MB',
    run: (stage, { address, ...target }) =>
      generate(stage, { ...target, address: `${address}/bytes/1000000` }, [4, seconds]),
  };
}

/** More than can be open at once at such rates, unless a head hangs. */
const RARE_OPEN = 1000;

/** Each sleeps, wakes for one connection, and sleeps again: what waking costs, and how often it happens. */
export const rareLoads = (seconds: number): readonly Load[] =>
  RARE.map((rate) => ({
    name: `rare-${rate}`,
    about: `${rate} new connections a second, evenly, each with one request; the head sleeps in between`,
    ...rareLoad(rate, seconds),
  }));

/** The same at any rate. */
export const rareLoad = (rate: number, seconds: number): Pick<Load, 'run'> => ({
  run: (stage, target) => generate(stage, target, [RARE_OPEN, seconds], ['-r', String(rate)]),
});

/** Below the accept queue's usual bound of 4096, so that no connection is dropped. */
const BURST_SIZE = 3000;
/** A burst that takes longer is broken off; its connections count as failed. */
const BURST_SECONDS = 10;

/** Heads find a full accept queue and never wait for a client: what they cost when they are the bottleneck. */
export const burstLoad = (bursts: number): Load => burstsOf('burst', 'request', bursts, 1);

/** The same from clients that do not say `Connection: close`, as browsers are: a head must expect more from them. */
export const silentBurstLoad = (bursts: number): Load =>
  burstsOf('silent-burst', 'request without "Connection: close"', bursts, 0);

function burstsOf(name: Load['name'], what: string, bursts: number, requests: number): Load {
  return {
    name,
    about: `${BURST_SIZE} connections, each with a ${what}, are queued while the head is stopped, then it goes on`,
    async run(stage, target) {
      const reports: LoadReport[] = [];
      while (reports.length < bursts) {
        const numbers = [BURST_SIZE, BURST_SECONDS, BURST_SIZE, target.subject, requests];
        reports.push(await generate(stage, target, numbers));
      }
      return reports.reduce(add);
    },
  };
}

/** CONNECTIONS, PID and REQUESTS of the generator, where a file comes after them and they are not said. */
const USUAL = [0, 0, 1] as const;

/** Real handshakes are made by a program of its own: the usual one speaks no TLS. */
const tlsGenerator = join(import.meta.dirname, 'tls-load.ts');

async function generate(
  stage: Stage,
  target: Target,
  numbers: readonly number[],
  options: readonly string[] = [],
): Promise<LoadReport> {
  const { hello, trusted, address, status } = target;
  const last = hello === undefined ? [] : [...USUAL.slice(numbers.length - 2), hello];
  const [program, ...args] = [
    ...(target.from ?? []),
    ...(trusted === undefined
      ? [stage.programs.load, ...options]
      : [process.execPath, tlsGenerator, trusted]),
    ...[address, status, ...numbers, ...last].map(String),
  ];
  return report.parse(JSON.parse(await stage.run(program!, args)));
}

function add(a: LoadReport, b: LoadReport): LoadReport {
  const kinds = Object.keys(a.failed);
  return {
    ok: a.ok + b.ok,
    answers: a.answers + b.answers,
    failed: Object.fromEntries(kinds.map((kind) => [kind, a.failed[kind]! + (b.failed[kind] ?? 0)])),
    seconds: a.seconds + b.seconds,
    slowestMs: Math.max(a.slowestMs, b.slowestMs),
    userMicros: a.userMicros + b.userMicros,
    systemMicros: a.systemMicros + b.systemMicros,
  };
}
