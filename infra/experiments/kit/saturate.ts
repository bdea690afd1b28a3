import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { BatonError } from '../../../shared/errors.ts';
import type { Host, Lab } from '../../lab/lab.ts';
import type { Saturation } from '../../report/schema.ts';
import type { ExperimentContext } from './experiment.ts';
import { isHandoff, waysOf } from './ways.ts';

interface Target {
  readonly name: string;
  readonly description: string;
  readonly urls: readonly string[];
}

export interface Load {
  /** In all, shared out between the URLs. */
  readonly connections: number;
  /** Of each run; whole. */
  readonly seconds: number;
  /** Runs of each way: one after the other, or there and back (A B B A), so that what grows or fades falls on both alike. */
  readonly turns: 1 | 2;
}

/**
 * Requests a second on connections that stay open, straight to the deliveries and handed over by the head. The head
 * has no part in them after the handoff, so the two should be equal.
 */
export async function saturateInTurns(
  lab: Lab,
  path: string,
  load: Load,
  { progress, signal }: ExperimentContext,
): Promise<Saturation[]> {
  if (signal.aborted) return [];
  const ways = waysOf(lab).filter(({ name }) => name === 'direct' || isHandoff(name));
  const order = load.turns === 1 ? ways : [...ways, ...ways.toReversed()];
  const runs: Saturation[] = [];
  for (const way of order) {
    await way.choose();
    // As many generators for each way: one a delivery.
    const urls = way.deliveries.map((_, index) => `http://${way.hosts[index % way.hosts.length]}${path}`);
    const result = await progress.during(
      `requests on open connections: ${way.name}`,
      load.seconds * 1000 + START_MS,
      () => saturate(lab.client, { ...way, urls }, load, signal),
    );
    if (signal.aborted || !result) return [];
    runs.push(result);
  }
  return ways.map(({ name }) => {
    const [one, other] = runs.filter((run) => run.name === name);
    return together(one!, other);
  });
}

/** How long saturateInTurns takes, about, with one transport. */
export const saturationMs = (load: Load): number => 2 * load.turns * (load.seconds * 1000 + START_MS);
/** Until autocannon is loaded, and its last answers are in. */
const START_MS = 600;

function together(one: Saturation, other: Saturation | undefined): Saturation {
  if (!other) return one;
  return {
    ...one,
    seconds: one.seconds + other.seconds,
    requestsPerSecond: (one.requestsPerSecond + other.requestsPerSecond) / 2,
    errors: one.errors + other.errors,
  };
}

/**
 * autocannon is right for exactly this: a closed loop at full speed, of which only the count is used. Its latencies are
 * whole milliseconds and its rate option is not an open loop, so what people wait for is measured by visits instead. It
 * runs as a process of its own for each URL.
 */
async function saturate(
  host: Host,
  way: Target,
  load: Load,
  signal: AbortSignal,
): Promise<Saturation | undefined> {
  const program = fileURLToPath(import.meta.resolve('autocannon'));
  const each = Math.max(1, Math.floor(load.connections / way.urls.length));
  const flags = [
    '--json',
    '--no-progress',
    '--connections',
    String(each),
    '--duration',
    String(load.seconds),
  ];
  const texts = await Promise.all(
    way.urls.map((url) => host.run([process.execPath, program, ...flags, url], { signal })),
  );
  if (signal.aborted) return undefined;
  const results = texts.map(parse);
  return {
    name: way.name,
    description: way.description,
    connections: each * way.urls.length,
    seconds: load.seconds,
    requestsPerSecond: results.reduce((total, result) => total + result['2xx'] / result.duration, 0),
    errors: results.reduce((total, result) => total + result.errors + result.timeouts + result.non2xx, 0),
  };
}

const answerSchema = z.object({
  '2xx': z.number(),
  non2xx: z.number(),
  errors: z.number(),
  timeouts: z.number(),
  duration: z.number().positive(),
});

function parse(text: string) {
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new BatonError(
      'LAB_FAILED',
      { problem: 'autocannon answered something that is not its result' },
      error,
    );
  }
}
