import { Command, Option } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { formatCounts } from '../terminal/figures.ts';
import { formatLeft } from '../terminal/progress.ts';
import { type ArrivalKind, arrivalKinds } from '../visits/arrivals.ts';
import { type Distribution, fixed } from '../visits/distribution.ts';
import { explain } from '../visits/failures.ts';
import type { VisitOptions, VisitProgress } from '../visits/options.ts';
import type { VisitResult } from '../visits/result.ts';
import { parseThreshold } from '../visits/threshold.ts';
import { type TlsVersion, tlsVersions } from '../visits/tls-versions.ts';
import { choice, duration, instant, lifetime, number, requests, whole } from './arguments.ts';
import { readCertificates } from './certificates.ts';
import { needFile, save } from './save.ts';

/**
 * Where it is allowed (root), the generator runs before everything else: its clock is what is read, and must not wait for
 * the servers that it measures. It sleeps between visits, so it takes nothing from them that it would not take anyway.
 * Below the lab's delay lines, which have 40.
 */
const PRIORITY = 30;

/** What a result takes at most in a file, and each visit that is kept in it. */
const RESULT_BYTES = 256 * 1024;
const SAMPLE_BYTES = 48;

interface VisitFlags {
  readonly rate: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly requestsPerVisit: Distribution;
  readonly lifetime?: Distribution;
  readonly procs: number;
  readonly find: readonly string[];
  readonly findWithin: number;
  readonly messages?: number;
  readonly http2?: true;
  readonly tls?: TlsVersion;
  readonly ca?: string;
  readonly insecure?: true;
  readonly resume?: true;
  readonly arrivals: ArrivalKind;
  readonly seed: number;
  readonly timeout: number;
  readonly maxInFlight: number;
  readonly startAt?: number;
  readonly samples?: true;
  readonly json?: string;
  readonly hgrm?: string;
  readonly failIf: readonly string[];
}

const DAY_MS = 86_400_000;
/** Bare numbers are seconds here. */
const seconds = (option: string, leastMs: number) => duration(option, leastMs, DAY_MS, 's');

/** `baton visit URL...` */
export function visitCommand(): Command {
  return new Command('visit')
    .summary('visit a server at a steady rate and measure how long each visit takes')
    .description(
      'Visits a server at a steady rate, whatever it answers, and measures how long each visit takes.',
    )
    .argument(
      '<URL...>',
      'http, https, ws and wss URLs, visited in turns; a user and password in one are sent, and shown nowhere',
    )
    .option('--rate <N>', 'visits per second', number('--rate', 0.01, 100_000), 100)
    .addOption(
      new Option('--duration <DURATION>', 'how long to begin visits: 10, 90s, 2m')
        .default(10_000, '10s')
        .argParser(seconds('--duration', 50)),
    )
    .option('--warm-up <DURATION>', 'visit this long before measuring', seconds('--warm-up', 0), 0)
    .addOption(
      new Option(
        '--requests-per-visit <N>',
        'on one connection: 3, uniform:1-9, geometric:3, exponential:3 or file:FILE, with a number a line',
      )
        .default(fixed(1), '1')
        .argParser(requests('--requests-per-visit')),
    )
    .option(
      '--lifetime <DURATION>',
      'how long a visitor stays, its requests spread over that: 5s, uniform:1s-9s, exponential:5s or file:FILE',
      lifetime('--lifetime'),
    )
    .option(
      '--messages <N>',
      'on one WebSocket, each sent when the one before has come back',
      whole('--messages', 1, 100_000),
    )
    .option('--http2', 'speak HTTP/2: over TLS as the server chooses (ALPN), without it from the first byte')
    .addOption(choice('--tls <VERSION>', 'of TLS, and no other', tlsVersions))
    .option('--ca <FILE>', 'trust certificates signed by those in it (PEM), and no others')
    .option('--insecure', 'trust every certificate')
    .option('--resume', 'resume the TLS sessions of earlier visits, as clients that come again do')
    .addOption(
      choice('--arrivals <KIND>', 'how visits are spread over time', arrivalKinds).default('constant'),
    )
    .option('--seed <N>', 'of poisson arrivals', whole('--seed', 0, 2 ** 32 - 1), 1)
    .addOption(
      new Option('--timeout <DURATION>', 'of a whole visit: 5, 500ms')
        .default(10_000, '10s')
        .argParser(seconds('--timeout', 10)),
    )
    .option('--procs <N>', 'processes that visit together, each its share', whole('--procs', 1, 64), 1)
    .option('--max-in-flight <N>', 'visits going on at once', whole('--max-in-flight', 1, 60_000), 4000)
    .option('--start-at <TIME>', 'wait until then: 2026-11-25T08:00:00.500Z', instant('--start-at'))
    .option('--samples', 'keep every visit in the JSON')
    .option('--json <FILE>', 'write the result as JSON; - is standard output')
    .option(
      '--hgrm <FILE>',
      "write the percentiles of the whole visit, in ms, as HdrHistogram's plotters read them",
    )
    .addOption(
      new Option(
        '--fail-if <LIMIT>',
        "exit with 3 when it is true: 'p99>50ms', 'failures>0', 'late>1%' (may be repeated)",
      )
        .default([], 'none')
        .argParser((text: string, before: readonly string[]) => [...before, text]),
    )
    .addOption(
      new Option(
        '--find <LIMIT>',
        "search the highest rate that holds it, from --rate on, in runs of --duration each: 'p99<50ms,failed<1%'",
      )
        .default([], 'none')
        .argParser((text: string, before: readonly string[]) => [...before, text]),
    )
    .addOption(
      new Option('--find-within <DURATION>', 'how long a search may take')
        .default(300_000, '5m')
        .argParser(seconds('--find-within', 1000)),
    )
    .action(visit);
}

async function visit(urls: readonly string[], flags: VisitFlags): Promise<void> {
  const [{ formatHgrm }, { openGenerators }, { summarise }] = await Promise.all([
    import('../visits/histogram.ts'),
    import('../visits/generators.ts'),
    import('../visits/summary.ts'),
  ]);
  const thresholds = flags.failIf.map(parseThreshold);
  refuseContradictions(urls, flags);
  const options = await optionsOf(urls, flags);
  const samples = flags.samples ? Math.ceil((flags.rate * flags.duration) / 1000) : 0;
  await needFile('--json', flags.json, RESULT_BYTES + samples * SAMPLE_BYTES);
  await needFile('--hgrm', flags.hgrm, RESULT_BYTES);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const generators = await openGenerators(flags.procs, PRIORITY);
  let result: VisitResult;
  try {
    if (flags.find.length > 0) {
      const { find } = await import('./visit-find.ts');
      return await find(flags, options, generators, stop.signal);
    }
    result = await generators.run({
      ...options,
      signal: stop.signal,
      onProgress: flags.json !== '-' && process.stderr.isTTY ? showProgress : undefined,
    });
  } finally {
    await generators.close();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
  if (process.stderr.isTTY && flags.json !== '-') process.stderr.write('\r\x1b[K');
  const json = `${JSON.stringify(result)}\n`;
  if (flags.json === '-') {
    process.stdout.write(json);
  } else {
    if (flags.json !== undefined) await save('--json', flags.json, json);
    process.stdout.write(`${summarise(result)}\n`);
  }
  if (flags.hgrm !== undefined) await save('--hgrm', flags.hgrm, formatHgrm(result.latency.histogram));
  for (const warning of result.generator.warnings) process.stderr.write(`baton: ${warning}\n`);
  const crossed = thresholds.map((threshold) => threshold.check(result)).filter((text) => text !== undefined);
  if (crossed.length > 0) throw new BatonError('LIMIT_EXCEEDED', { problem: crossed.join('; ') });
  if (result.visits > 0 && result.succeeded === 0) {
    const [why] = Object.keys(result.failures).flatMap((name) => explain(name) ?? []);
    throw new BatonError('NO_VISIT_SUCCEEDED', {
      failures: `${formatCounts(result.failures)}${why === undefined ? '' : `; ${why}`}`,
      url: result.urls[0]!,
    });
  }
}

async function optionsOf(urls: readonly string[], flags: VisitFlags): Promise<VisitOptions> {
  const ca = flags.ca === undefined ? undefined : await readCertificates(flags.ca);
  const { requestsPerVisit } = flags;
  return {
    urls,
    rate: flags.rate,
    durationMs: flags.duration,
    warmUpMs: flags.warmUp,
    requestsPerVisit: requestsPerVisit.kind === 'fixed' ? requestsPerVisit.value : requestsPerVisit,
    lifetime: flags.lifetime,
    messagesPerVisit: flags.messages ?? 1,
    http2: flags.http2 ?? false,
    tls: {
      ca,
      insecure: flags.insecure ?? false,
      resume: flags.resume ?? false,
      version: flags.tls,
    },
    arrivals: flags.arrivals,
    seed: flags.seed,
    timeoutMs: flags.timeout,
    maxInFlight: Math.ceil(flags.maxInFlight / flags.procs),
    startAt: flags.startAt,
    samples: flags.samples ?? false,
    // A crowd would keep a processor for as long as it takes to start it.
    realtime: flags.arrivals !== 'burst',
  };
}

function refuseContradictions(urls: readonly string[], flags: VisitFlags): void {
  const { http2, messages, ca, insecure, find, failIf, startAt, samples, hgrm } = flags;
  const others = {
    '--fail-if': failIf.length > 0,
    '--start-at': startAt,
    '--samples': samples,
    '--hgrm': hgrm,
  };
  const other = Object.entries(others).find(([, given]) => given)?.[0];
  const talks = urls.some((url) => /^wss?:/i.test(url));
  const problem =
    ca !== undefined && insecure
      ? '--ca says whom to trust, and --insecure to trust everybody; give one of them'
      : http2 && talks
        ? 'a WebSocket is asked for with HTTP/1.1; leave out --http2, or the ws URLs'
        : messages !== undefined && !talks
          ? '--messages is of WebSockets; give a ws or wss URL'
          : find.length > 0 && other !== undefined
            ? `--find makes many runs, and ${other} is of one; leave one of them out`
            : undefined;
  if (problem !== undefined) throw new BatonError('USAGE', { problem });
}

function showProgress({ elapsedMs, totalMs, done, failed, inFlight }: VisitProgress): void {
  const left = Math.ceil((totalMs - elapsedMs) / 1000);
  const rest = left > 0 ? formatLeft(left * 1000) : `waiting for ${inFlight} more`;
  process.stderr.write(`\r\x1b[K${done} ${done === 1 ? 'visit' : 'visits'}, ${failed} failed, ${rest}`);
}
