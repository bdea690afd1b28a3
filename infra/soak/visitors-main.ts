/**
 * The visitors of a soak, as a process of their own where the clients are: an open loop for each kind. Writes what became
 * of them to a file, one line of JSON for each stretch of time, and ends when all of them are over or it is told to.
 *
 *     node infra/soak/visitors-main.ts PLAN      (a file, VisitorsPlan)
 */
import { appendFileSync, readFileSync } from 'node:fs';
import type { Histogram } from 'hdr-histogram-js';
import { createHistogram, encodeHistogram } from '../visits/histogram.ts';
import type { EndedVisit } from '../visits/options.ts';
import { runVisits } from '../visits/run.ts';
import type { VisitKind } from './kinds.ts';

export interface VisitorsPlan {
  /** HOST:PORT */
  readonly to: string;
  readonly kinds: readonly VisitKind[];
  readonly rate: number;
  readonly seed: number;
  readonly startAt: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
  readonly sampleMs: number;
  /** A certificate that is to be trusted. */
  readonly caFile: string;
  readonly out: string;
}

/** One line of `out`. Moments are milliseconds since 1970. */
export interface VisitsSample {
  /** Visits of this sample ended before it. */
  readonly at: number;
  readonly kinds: Readonly<
    Record<
      string,
      {
        readonly succeeded: number;
        /** An encoded histogram of microseconds. */
        readonly latency: string;
        readonly failed: readonly FailedVisit[];
      }
    >
  >;
}

export interface FailedVisit {
  readonly from: number;
  readonly to: number;
  readonly name: string;
}

interface Collected {
  latency: Histogram;
  failed: FailedVisit[];
}

const plan = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as VisitorsPlan;
const collected = new Map<string, Collected>(
  plan.kinds.map(({ name }) => [name, { latency: createHistogram(), failed: [] }]),
);
const interrupt = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => interrupt.abort());

const epochMs = (micros: number) => performance.timeOrigin + micros / 1000;

function collect(kind: string, { intended, done, failure }: EndedVisit): void {
  if (failure === 'interrupted') return;
  const { latency, failed } = collected.get(kind)!;
  if (failure === undefined) latency.recordValue(Math.round(done - intended));
  else failed.push({ from: epochMs(intended), to: epochMs(done), name: failure });
}

function writeSample(): void {
  const kinds = [...collected].map(([name, one]) => {
    const { latency, failed } = one;
    const written = { succeeded: latency.totalCount, latency: encodeHistogram(latency), failed };
    latency.reset();
    one.failed = [];
    return [name, written] as const;
  });
  const sample: VisitsSample = { at: Date.now(), kinds: Object.fromEntries(kinds) };
  appendFileSync(plan.out, `${JSON.stringify(sample)}\n`);
}

const runs = plan.kinds.map((kind, index) =>
  runVisits({
    urls: [`${kind.scheme}://${plan.to}${kind.path}`],
    rate: plan.rate * kind.share,
    durationMs: plan.durationMs,
    arrivals: 'poisson',
    seed: plan.seed + index,
    requestsPerVisit: kind.requests ?? 1,
    messagesPerVisit: kind.messages ?? 1,
    tls: { ca: readFileSync(plan.caFile, 'utf8'), resume: kind.resume ?? false },
    timeoutMs: plan.timeoutMs,
    startAt: plan.startAt,
    signal: interrupt.signal,
    onVisit: (visit) => collect(kind.name, visit),
  }),
);
process.stdout.write(`${JSON.stringify({ ready: 'visitors' })}\n`);
const timer = setInterval(writeSample, plan.sampleMs);
await Promise.all(runs);
clearInterval(timer);
writeSample();
