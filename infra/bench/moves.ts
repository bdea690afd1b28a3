/**
 * How long it takes to move a connection at low rates, from freeze to *adopted*, beside the least that a wake-up at either end takes: a
 * byte there and back between the same hosts by a C program (`c/ping.c`). In turns; on a machine of its own the kernel wakes an
 * idle processor the slower the longer it was idle, so that both depend on the rate.
 */
import { getMetrics } from '../admin-client.ts';
import { labOf } from './contenders/migrate.ts';
import { rareLoad } from './loads.ts';
import type { Stage } from './stage.ts';

/** Moves, and pings, a second. */
export const RATES = [100, 1000] as const;

/** Microseconds. */
export interface MoveSample {
  readonly rate: number;
  readonly ping: { readonly p50: number; readonly p99: number };
  /** From the head's histogram: the median as far as its buckets tell it, and the mean. */
  readonly move: { readonly p50: number; readonly mean: number; readonly count: number };
  readonly failed: number;
}

interface Histogram {
  /** Upper bounds in microseconds, with how many were not above them. */
  readonly buckets: readonly (readonly [number, number])[];
  readonly sum: number;
}

/** `onSample` is told of each of `rounds` samples at each rate, `seconds` of both. */
export async function measureMoves(
  stage: Stage,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
  onSample: (sample: MoveSample) => void,
): Promise<MoveSample[]> {
  const lab = await labOf(stage);
  const inside = (host: string) => ['netns', 'exec', lab.network.host(host).namespace];
  const { ping } = stage.programs;
  const echo = await stage.launch('ip', [...inside('d1'), ping, 'serve', lab.network.host('d1').address]);
  const target = {
    subject: lab.head.pid,
    address: lab.head.listen,
    status: 200,
    from: ['ip', ...inside('client')],
  };
  // JavaScript is compiled while it runs.
  await rareLoad(1000, 4).run(stage, target);
  const samples: MoveSample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const rate of RATES) {
      const pings = [echo.address, String(rate * seconds), String(1e6 / rate)];
      const { p50, p99 } = JSON.parse(await stage.run('ip', [...inside('head'), ping, ...pings])) as {
        p50: number;
        p99: number;
      };
      const before = readHistogram(await getMetrics(lab.head.admin));
      const { failed } = await rareLoad(rate, seconds).run(stage, target);
      const move = between(before, readHistogram(await getMetrics(lab.head.admin)));
      const lost = Object.values(failed).reduce((sum, count) => sum + count, 0);
      const sample = { rate, ping: { p50, p99 }, move, failed: lost };
      samples.push(sample);
      onSample(sample);
    }
  }
  return samples;
}

/** `baton_migration_seconds` of a scrape. */
export function readHistogram(text: string): Histogram {
  const buckets = [...text.matchAll(/^baton_migration_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)].map(
    ([, le, count]) => [le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) * 1e6, Number(count)] as const,
  );
  const [, sum = '0'] = /^baton_migration_seconds_sum (\S+)$/m.exec(text) ?? [];
  return { buckets, sum: Number(sum) * 1e6 };
}

/** Of what came between two readings. The median as Prometheus's histogram_quantile estimates it: evenly within a bucket. */
export function between(before: Histogram, after: Histogram): MoveSample['move'] {
  const counts = after.buckets.map(
    ([bound, count], at) => [bound, count - (before.buckets[at]?.[1] ?? 0)] as const,
  );
  const count = counts.at(-1)?.[1] ?? 0;
  const at = counts.findIndex(([, below]) => below >= count / 2);
  const [bound, below] = counts[at] ?? [Number.NaN, 0];
  const [lower, under] = counts[at - 1] ?? [0, 0];
  // Of the unbounded bucket nothing is known but where it begins.
  const upper = bound === Number.POSITIVE_INFINITY ? lower : bound;
  const p50 = count === 0 ? Number.NaN : lower + ((upper - lower) * (count / 2 - under)) / (below - under);
  return { p50, mean: (after.sum - before.sum) / count, count };
}
