import { createRequire } from 'node:module';
import { z } from 'zod';
import { BatonError } from '../../shared/errors.ts';
import type { Host } from '../lab/lab.ts';
import type { Saturation } from '../report/schema.ts';

/**
 * How many requests a second go through connections that stay open. autocannon is right for exactly this: a closed
 * loop at full speed, of which only the count is used. Its latencies are whole milliseconds and its rate option is not
 * an open loop, so what people wait for is measured by visits instead. It runs as a process of its own for each URL,
 * so that every case has the same number of generators.
 */
export async function saturate(
  host: Host,
  what: { name: string; description: string; urls: readonly string[] },
  load: { connections: number; seconds: number },
  signal: AbortSignal,
): Promise<Saturation | undefined> {
  const program = createRequire(import.meta.url).resolve('autocannon');
  const each = Math.max(1, Math.floor(load.connections / what.urls.length));
  const flags = [
    '--json',
    '--no-progress',
    '--connections',
    String(each),
    '--duration',
    String(load.seconds),
  ];
  const texts = await Promise.all(
    what.urls.map((url) => host.run([process.execPath, program, ...flags, url], { signal })),
  );
  if (signal.aborted) return undefined;
  const results = texts.map(parse);
  return {
    name: what.name,
    description: what.description,
    connections: each * what.urls.length,
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
