/** Streams and visitors, while the head that has the address breaks and comes back. */
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../../shared/errors.ts';
import type { Lab } from '../../lab/lab.ts';
import { visitFrom } from '../../lab/visit-from.ts';
import type { VisitResult } from '../../visits/result.ts';
import { type HeadFault, type Place, untilWhole } from './faults.ts';
import { type Orders, type Streams, streamsSchema } from './result.ts';

export interface Plan {
  /** HOST:PORT that clients connect to. */
  readonly address: string;
  readonly streams: number;
  readonly everyMs: number;
  /** New visits a second. */
  readonly rate: number;
  readonly beforeMs: number;
  readonly awayMs: number;
  readonly afterMs: number;
  readonly visitTimeoutMs: number;
}

export interface Seen {
  readonly streams: Streams;
  readonly visits: VisitResult;
  /** Milliseconds since the measurement began: when it broke, when it was to come back, and when it was ready again. */
  readonly faultMs: number;
  readonly backMs: number;
  readonly readyMs: number;
}

/** Until all streams are open: a process starts, and they come one a millisecond. */
const startMs = ({ streams }: Plan) => 4000 + 6 * streams;

const program = fileURLToPath(new URL(`./client-main${extname(import.meta.url)}`, import.meta.url));

export const lastsMs = (plan: Plan): number =>
  startMs(plan) + plan.beforeMs + plan.awayMs + plan.afterMs + 2000;

/** Undefined when it was ended early. `places`: of the two heads. */
export async function observe(
  lab: Lab,
  places: readonly Place[],
  fault: HeadFault,
  plan: Plan,
  signal: AbortSignal,
): Promise<Seen | undefined> {
  await untilWhole(places);
  const startAt = Date.now() + startMs(plan);
  const durationMs = plan.beforeMs + plan.awayMs + plan.afterMs;
  const { address, streams, everyMs } = plan;
  const orders: Orders = { host: address, streams, everyMs, startAt, durationMs };
  const [times, text, visits] = await Promise.all([
    breakAndMend(places, fault, startAt, plan, signal).catch((error: unknown) => ({ error })),
    lab.client.run([process.execPath, program, JSON.stringify(orders)], { signal }),
    visitFrom(lab.client, {
      urls: [`http://${address}/bytes/1000`],
      rate: plan.rate,
      durationMs,
      startAt,
      timeoutMs: plan.visitTimeoutMs,
      samples: true,
      signal,
    }),
  ]);
  if (signal.aborted) return undefined;
  if ('error' in times) throw times.error;
  if (!visits) return undefined;
  return { streams: parse(text), visits, ...times };
}

/** Ends the fault also when the run is ended early, so that what follows finds the lab whole. */
async function breakAndMend(
  places: readonly Place[],
  fault: HeadFault,
  startAt: number,
  { beforeMs, awayMs }: Plan,
  signal: AbortSignal,
): Promise<Pick<Seen, 'faultMs' | 'backMs' | 'readyMs'>> {
  const until = (at: number) => delay(Math.max(0, at - Date.now()), undefined, { signal }).catch(() => {});
  await until(startAt + beforeMs);
  const has = await Promise.all(places.map(({ host }) => host.hasAddress()));
  const active = places[Math.max(0, has.indexOf(true))]!;
  const faultMs = Date.now() - startAt;
  await fault.begin(active);
  await until(startAt + beforeMs + awayMs);
  const backMs = Date.now() - startAt;
  await fault.end(active);
  await untilWhole(places);
  return { faultMs, backMs, readyMs: Date.now() - startAt };
}

function parse(text: string): Streams {
  try {
    return streamsSchema.parse(JSON.parse(text));
  } catch (error) {
    const problem = 'the client of streams answered something that is not its result';
    throw new BatonError('LAB_FAILED', { problem }, error);
  }
}
