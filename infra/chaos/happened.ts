/** Faults come about and are mended, and what has happened is kept: milliseconds by the clock of the records (records.ts). */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { faultKinds } from './kinds/index.ts';
import type { Came, World } from './kinds/kind.ts';
import { now } from './records.ts';
import type { Entry } from './schedule.ts';

export interface Happened extends Omit<Entry, 'kind'>, Partial<Came> {
  /**
   * Nobody has done these: `cookiesFailed`, the kernel has refused connections whose SYN it had answered by a cookie; `addressMoved`,
   * the address that two heads share was not, or not only, where it had been, until it was with its target.
   */
  readonly kind: Entry['kind'] | 'cookiesFailed' | 'addressMoved';
  /** It was begun, and had come about; it was to be mended, and was. */
  readonly from: number;
  readonly begun: number;
  readonly until: number;
  readonly mended: number;
  /** The process that it was of, 0 for none. */
  readonly pid: number;
  /** When that had gone, if it was killed or told to stop. */
  readonly gone?: number;
  /** Heads that had the address at some moment of its move. */
  readonly holders?: readonly string[];
}

/** Which deliveries a head gave connections to, when somebody looked. */
export interface Sighting {
  readonly at: number;
  readonly head: string;
  readonly up: readonly string[];
}

/** Lets it come about and mends it, and tells of it, also where one of the two fails, which is thrown. */
export async function inflict(
  entry: Entry,
  world: World,
  signal: AbortSignal,
  tell: (happened: Happened) => void,
): Promise<void> {
  const broken = faultKinds[entry.kind].make(entry, world);
  const { pid } = broken;
  const from = now();
  let begun: number | undefined;
  let until: number | undefined;
  let gone: number | undefined;
  let came: Came | undefined;
  try {
    const leaving = entry.kind === 'kill' || entry.kind === 'stop' ? untilGone(pid) : undefined;
    came = (await broken.begin()) ?? undefined;
    begun = now();
    gone = await leaving;
    await delay(entry.lasts, undefined, { signal }).catch(() => {});
    until = now();
    await broken.end();
  } finally {
    const mended = now();
    tell({
      ...{ ...entry, from, begun: begun ?? mended, until: until ?? mended, mended, pid },
      ...(gone !== undefined && { gone }),
      ...came,
    });
  }
}

async function untilGone(pid: number): Promise<number> {
  while (existsSync(`/proc/${pid}`)) await delay(20);
  return now();
}
