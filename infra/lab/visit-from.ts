import { BatonError, errorCatalogue } from '../../shared/errors.ts';
import type { Distribution } from '../visits/distribution.ts';
import type { VisitOptions } from '../visits/options.ts';
import { type VisitResult, visitResultSchema } from '../visits/result.ts';
import type { TlsOptions } from '../visits/secure.ts';
import type { Host } from './lab.ts';

export interface VisitFromOptions
  extends Omit<VisitOptions, 'onProgress' | 'onVisit' | 'slow' | 'share' | 'realtime' | 'tls'> {
  readonly tls?: Omit<TlsOptions, 'ca'> & {
    /** Of certificates, on that host. */
    readonly caFile?: string;
  };
}

/**
 * Visits from a host of the lab, by a `baton visit` of its own: the generator's work must not share an event loop with
 * anything else, and in other labs it runs where the clients are. Answers undefined when it was ended before it began.
 */
export async function visitFrom(host: Host, options: VisitFromOptions): Promise<VisitResult | undefined> {
  const { urls, signal, tls = {} } = options;
  const flags: [string, number | string | undefined][] = [
    ['--rate', options.rate],
    ['--duration', `${options.durationMs}ms`],
    ['--warm-up', `${options.warmUpMs ?? 0}ms`],
    ['--arrivals', options.arrivals],
    ['--seed', options.seed],
    ['--requests-per-visit', asText(options.requestsPerVisit)],
    ['--lifetime', asText(options.lifetime)],
    ['--messages', options.messagesPerVisit],
    ['--tls', tls.version],
    ['--ca', tls.caFile],
    ['--timeout', options.timeoutMs === undefined ? undefined : `${options.timeoutMs}ms`],
    ['--max-in-flight', options.maxInFlight],
    ['--start-at', options.startAt === undefined ? undefined : new Date(options.startAt).toISOString()],
    ['--json', '-'],
  ];
  const given = flags.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  const switches: [string, boolean | undefined][] = [
    ['--samples', options.samples],
    ['--http2', options.http2],
    ['--insecure', tls.insecure],
    ['--resume', tls.resume],
  ];
  const on = switches.flatMap(([name, value]) => (value ? [name] : []));
  const text = await host.run([...host.baton, 'visit', ...urls, ...given, ...on], {
    signal,
    // Every visit failed: for an experiment that is an answer like another.
    answers: [errorCatalogue.NO_VISIT_SUCCEEDED.exit],
  });
  if (text === '' && signal?.aborted) return undefined;
  try {
    return visitResultSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new BatonError(
      'LAB_FAILED',
      { problem: 'baton visit answered something that is not its result' },
      error,
    );
  }
}

const asText = (drawn: number | Distribution | undefined): string | undefined =>
  typeof drawn === 'object' ? drawn.text : drawn?.toString();
