/** One arm: visits and connections that stay, first in peace, then while it is replaced again and again. */
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../../shared/errors.ts';
import type { HeadUpgrade, Lab } from '../../lab/lab.ts';
import { visitFrom } from '../../lab/visit-from.ts';
import type { VisitResult } from '../../visits/result.ts';
import type { Arm } from './arms.ts';
import { answerSchema, type Counts, type Orders } from './result.ts';

export interface Size {
  /** Visits a second, each on a connection of its own. */
  readonly rate: number;
  readonly keepAlive: number;
  readonly webSockets: number;
  /** From one word on each of those to the next. */
  readonly talkMs: number;
  readonly upgrades: number;
  readonly everyMs: number;
  /** Before the first upgrade, and after the last. */
  readonly calmMs: number;
  readonly afterMs: number;
}

interface Replacement extends HeadUpgrade {
  /** Since the measurement began, milliseconds. */
  readonly atMs: number;
}

export interface Seen {
  readonly arm: Arm;
  readonly visits: VisitResult;
  readonly stays: readonly Counts[];
  readonly replacements: readonly Replacement[];
  /** When the last one was over, milliseconds since the measurement began. */
  readonly overMs: number;
  /** When it has been replaced for the last time. */
  readonly processes: number;
}

export const TIMEOUT_MS = 10_000;
/** Until everything is open: processes start. */
const START_MS = 5000;
const HALF_EVERY_MS = 250;
const HALF_MS = 1500;
const LINGER_EVERY_MS = 400;

// Built, it is a .js file as this one is.
const program = fileURLToPath(new URL(`./client-main${extname(import.meta.url)}`, import.meta.url));

export const runMs = ({ calmMs, upgrades, everyMs, afterMs }: Size): number =>
  START_MS + calmMs + upgrades * everyMs + afterMs + 3000;

/** Undefined when it was ended early. */
export async function observe(
  lab: Lab,
  arm: Arm,
  size: Size,
  signal: AbortSignal,
  onReplaced: (count: number) => void = () => {},
): Promise<Seen | undefined> {
  const { rate, keepAlive, webSockets, talkMs, upgrades, everyMs, calmMs, afterMs } = size;
  const opened = await arm.open();
  try {
    const startAt = Date.now() + START_MS;
    const durationMs = calmMs + upgrades * everyMs + afterMs;
    const orders: Orders = {
      hosts: [...opened.hosts],
      keepAlive,
      webSockets,
      everyMs: talkMs,
      halfEveryMs: HALF_EVERY_MS,
      halfMs: HALF_MS,
      lingerEveryMs: arm.isBaton ? LINGER_EVERY_MS : 0,
      startAt,
      durationMs,
    };
    // Whatever happens meanwhile, the clients are waited for: nothing may go on in the background.
    const [replaced, visits, text] = await Promise.all([
      replaceAgainAndAgain(opened.replace, startAt + calmMs, size, signal, onReplaced).catch(
        (error: unknown) => ({ error }),
      ),
      visitFrom(lab.client, {
        urls: opened.hosts.map((host) => `http://${host}/bytes/100`),
        rate,
        durationMs,
        startAt,
        timeoutMs: TIMEOUT_MS,
        samples: true,
        signal,
      }),
      lab.client.run([process.execPath, program, JSON.stringify(orders)], { signal }),
    ]);
    if ('error' in replaced) throw replaced.error;
    if (signal.aborted || !visits || visits.visits === 0) return undefined;
    const began = Date.parse(visits.startedAt);
    return {
      arm,
      visits,
      stays: parse(text),
      replacements: replaced.all.map(({ at, ...figures }) => ({ ...figures, atMs: at - began })),
      overMs: replaced.over - began,
      processes: replaced.processes ?? (await opened.processes()),
    };
  } finally {
    await opened.close();
  }

  async function replaceAgainAndAgain(
    replace: (turn: number) => Promise<HeadUpgrade>,
    from: number,
    { upgrades: many }: Size,
    stop: AbortSignal,
    told: (count: number) => void,
  ) {
    const all: (HeadUpgrade & { at: number })[] = [];
    for (let turn = 0; turn < many && !stop.aborted; turn++) {
      const due = from + turn * everyMs - Date.now();
      await delay(Math.max(0, due), undefined, { signal: stop }).catch(() => {});
      const at = Date.now();
      all.push({ ...(await replace(turn)), at });
      told(turn + 1);
    }
    const over = Date.now();
    await delay(Math.max(0, everyMs), undefined, { signal: stop }).catch(() => {});
    return { all, over, processes: await opened.processes() };
  }
}

function parse(text: string): Counts[] {
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch (error) {
    const problem = 'the client of connections that stay answered something that is not its result';
    throw new BatonError('LAB_FAILED', { problem }, error);
  }
}

/** Of visits, milliseconds: the 99th percentile of those that were begun before the first replacement, and of those from then on. */
export function p99s({ visits, replacements, overMs }: Seen): { calm: number; upgrading: number } {
  const { startMicros, totalMicros } = visits.samples!;
  const first = replacements[0]?.atMs ?? Number.POSITIVE_INFINITY;
  const ofThose = (from: number, to: number): number => {
    const took = startMicros
      .flatMap((start, at) => (start / 1000 >= from && start / 1000 < to ? [Math.abs(totalMicros[at]!)] : []))
      .sort((a, b) => a - b);
    return took.length === 0 ? Number.NaN : took[Math.ceil(took.length * 0.99) - 1]! / 1000;
  };
  return { calm: ofThose(0, first), upgrading: ofThose(first, overMs) };
}
