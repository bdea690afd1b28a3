/** One result of several generators that visited together, each its share of the same arrivals. */
import { createHistogram, encodeHistogram, mergeHistograms, type Spread, spread } from './histogram.ts';
import { phaseNames } from './phases.ts';
import type { Measure, VisitResult } from './result.ts';

/** At least one; of one it is that. */
export function mergeResults(results: readonly VisitResult[]): VisitResult {
  const [first, ...others] = results as [VisitResult, ...VisitResult[]];
  if (others.length === 0) return first;
  const sum = (of: (result: VisitResult) => number) => results.reduce((total, each) => total + of(each), 0);
  const most = (of: (result: VisitResult) => number) => Math.max(...results.map(of));
  const counted = (of: (result: VisitResult) => Record<string, number> | undefined) => {
    const all: Record<string, number> = {};
    for (const result of results)
      for (const [name, count] of Object.entries(of(result) ?? {})) all[name] = (all[name] ?? 0) + count;
    return all;
  };
  const measured = (of: (result: VisitResult) => Measure) => merged(results.map(of));
  const spreads = (of: (result: VisitResult) => Spread | undefined) =>
    worst(results.flatMap((each) => of(each) ?? []));
  const tls = results.flatMap((each) => each.tls ?? []);
  const messages = results.flatMap((each) => each.messages ?? []);
  const worked = results.some(({ generator }) => generator.work);
  const warnings = [...new Set(results.flatMap(({ generator }) => generator.warnings))];
  return {
    ...first,
    offeredRate: sum(({ offeredRate }) => offeredRate),
    achievedRate: sum(({ achievedRate }) => achievedRate),
    startedAt: results.map(({ startedAt }) => startedAt).sort()[0]!,
    complete: results.every(({ complete }) => complete),
    visits: sum(({ visits }) => visits),
    succeeded: sum(({ succeeded }) => succeeded),
    failed: sum(({ failed }) => failed),
    interrupted: sum(({ interrupted }) => interrupted),
    failures: counted(({ failures }) => failures),
    statuses: counted(({ statuses }) => statuses),
    redirects: counted(({ redirects }) => redirects),
    connections: sum(({ connections }) => connections),
    requests: sum(({ requests }) => requests),
    bodyBytes: sum(({ bodyBytes }) => bodyBytes),
    latency: measured(({ latency }) => latency),
    failedAfter: spreads(({ failedAfter }) => failedAfter),
    phases: Object.fromEntries(
      phaseNames.map((name) => [name, measured(({ phases }) => phases[name])]),
    ) as VisitResult['phases'],
    ...(tls.length > 0
      ? {
          tls: {
            handshakes: sum((each) => each.tls?.handshakes ?? 0),
            resumed: sum((each) => each.tls?.resumed ?? 0),
            resumedVisits: sum((each) => each.tls?.resumedVisits ?? 0),
            versions: counted((each) => each.tls?.versions),
            protocols: counted((each) => each.tls?.protocols),
          },
        }
      : {}),
    ...(messages.length > 0
      ? {
          messages: {
            answered: sum((each) => each.messages?.answered ?? 0),
            roundTrip: merged(messages.map(({ roundTrip }) => roundTrip)),
          },
        }
      : {}),
    lateness: {
      lateAfterMicros: first.lateness.lateAfterMicros,
      late: sum(({ lateness }) => lateness.late),
      p50: most(({ lateness }) => lateness.p50),
      p99: most(({ lateness }) => lateness.p99),
      max: most(({ lateness }) => lateness.max),
    },
    generator: {
      cpuMicros: sum(({ generator }) => generator.cpuMicros),
      cpuShare: sum(({ generator }) => generator.cpuShare),
      processes: sum(({ generator }) => generator.processes),
      realtime: results.every(({ generator }) => generator.realtime),
      ...(worked
        ? {
            work: {
              secure: spreads(({ generator }) => generator.work?.secure),
              firstByte: spreads(({ generator }) => generator.work?.firstByte),
            },
          }
        : {}),
      keptUp: results.every(({ generator }) => generator.keptUp),
      warnings,
    },
    ...(first.samples ? { samples: joined(results) } : {}),
  };
}

function merged(measures: readonly Measure[]): Measure {
  const histogram = mergeHistograms(measures.map((measure) => measure.histogram));
  return { ...spread(histogram), histogram: encodeHistogram(histogram) };
}

/** Of those that are not kept as histograms: percentiles are the largest of any. */
function worst(spreads: readonly Spread[]): Spread {
  const some = spreads.filter(({ count }) => count > 0);
  if (some.length === 0) return spread(createHistogram());
  const count = some.reduce((sum, each) => sum + each.count, 0);
  const most = (of: (each: Spread) => number) => Math.max(...some.map(of));
  return {
    count,
    min: Math.min(...some.map(({ min }) => min)),
    mean: Math.round(some.reduce((sum, each) => sum + each.mean * each.count, 0) / count),
    p50: most(({ p50 }) => p50),
    p90: most(({ p90 }) => p90),
    p99: most(({ p99 }) => p99),
    p999: most(({ p999 }) => p999),
    max: most(({ max }) => max),
  };
}

type Samples = NonNullable<VisitResult['samples']>;

/** In the order of their ends, as those of one. The generators' measurements began at the same moment. */
function joined(results: readonly VisitResult[]): Samples {
  const parts = results.flatMap(({ samples }) => samples ?? []);
  const order = parts
    .flatMap((part) =>
      part.startMicros.map((start, at) => ({ part, at, end: start + Math.abs(part.totalMicros[at]!) })),
    )
    .sort((one, other) => one.end - other.end);
  const keys = Object.keys(parts[0]!) as (keyof Samples)[];
  return Object.fromEntries(keys.map((key) => [key, order.map(({ part, at }) => part[key][at]!)])) as Samples;
}
