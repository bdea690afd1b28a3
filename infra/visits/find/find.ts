/** `baton visit --find`: the highest rate at which visits are as they should be, by visiting. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Generators } from '../generators.ts';
import type { VisitOptions, VisitProgress } from '../options.ts';
import type { Goal } from './goal.ts';
import { enoughWrong, type Reading, readResult } from './judge.ts';
import { type Found, search } from './search.ts';

export interface FindOptions {
  readonly goal: Goal;
  readonly withinMs: number;
  /** What each run is like: its rate is the first one's, its duration that of each. */
  readonly visits: VisitOptions;
  readonly generators: Generators;
  readonly onRun?: (reading: Reading) => void;
  readonly onProgress?: ((rate: number, progress: VisitProgress) => void) | undefined;
  readonly signal: AbortSignal;
}

/** No generator asks for more. */
const MOST = 100_000;
/** Half of what a search may be off by. */
const PRECISION = 1.02;
/** What a queue has in it must be served before the next run; twice as long as its last had waited is enough for it. */
const REST_MS = 200;
const REST_MAX_MS = 10_000;

export async function findCapacity(options: FindOptions): Promise<Found> {
  const { goal, visits, withinMs, signal, onRun } = options;
  let restMs = 0;
  return await search({
    goal,
    firstRate: visits.rate,
    mostRate: MOST,
    durationMs: visits.durationMs,
    withinMs,
    precision: PRECISION,
    now: () => performance.now(),
    async probe(rate, durationMs) {
      await delay(restMs, undefined, { signal }).catch(() => {});
      const reading = signal.aborted ? undefined : await runOnce(options, rate, durationMs);
      if (!reading) return undefined;
      restMs = Math.min(REST_MAX_MS, REST_MS + 2 * reading.queueMs);
      onRun?.(reading);
      return reading;
    },
  });
}

/** Undefined when it was interrupted. */
async function runOnce(
  { goal, visits, generators, signal, onProgress }: FindOptions,
  rate: number,
  durationMs: number,
): Promise<Reading | undefined> {
  const counted = goal.conditions.find(({ allowed }) => allowed !== undefined);
  const most = counted ? enoughWrong((rate * durationMs) / 1000, counted.allowed!) : Number.POSITIVE_INFINITY;
  const enough = new AbortController();
  const result = await generators.run({
    ...visits,
    rate,
    durationMs,
    warmUpMs: visits.warmUpMs || durationMs / 10,
    samples: true,
    signal: AbortSignal.any([signal, enough.signal]),
    onProgress: onProgress && ((progress) => onProgress(rate, progress)),
    ...(counted
      ? { slow: { afterMs: counted.afterMs, onCount: (count) => count > most && enough.abort() } }
      : {}),
  });
  if (signal.aborted) return undefined;
  const reading = readResult(result, goal, enough.signal.aborted ? counted : undefined);
  const { afterMs = 0 } = counted ?? {};
  // Those that were cut off had waited too.
  return enough.signal.aborted && Number.isFinite(afterMs)
    ? { ...reading, queueMs: Math.max(reading.queueMs, afterMs) }
    : reading;
}
