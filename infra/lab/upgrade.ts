/** A lab's head is replaced by another, and what the two say of it in their logs. */
import { setTimeout as delay } from 'node:timers/promises';
import type { HeadUpgrade, Service } from './lab.ts';

/** Until the successor accepts again, which it logs behind its ready line, milliseconds. */
const ACCEPTS_WITHIN_MS = 5000;

interface Line {
  readonly time: number;
  readonly msg: string;
  readonly stoodMs?: number;
  readonly restMs?: number;
  readonly waitedMs?: number;
}

/** Its last line with these words. */
function said(log: string, words: string): Line | undefined {
  const line = log.split('\n').findLast((text) => text.includes(words));
  try {
    return line === undefined ? undefined : (JSON.parse(line) as Line);
  } catch {
    return undefined;
  }
}

/** `start` starts the successor, and settles when it is ready; `isOne`: both are one service, and nobody's to be awaited or stopped. */
export async function upgradeFrom(
  predecessor: Service,
  start: () => Promise<Service>,
  isOne = false,
): Promise<{ successor: Service; figures: HeadUpgrade }> {
  const began = performance.now();
  let goneAt: number | undefined;
  const gone = predecessor.ended?.then(() => {
    goneAt = Date.now();
  });
  const successor = await start();
  if (!isOne) await (gone ?? predecessor.stop());
  const done = said(predecessor.log?.() ?? '', 'has taken over');
  const until = performance.now() + ACCEPTS_WITHIN_MS;
  const accepts = () => said(successor.log?.() ?? '', 'visitors are accepted again');
  while (successor.log && !accepts() && performance.now() < until) await delay(5);
  return {
    successor,
    figures: {
      tookMs: performance.now() - began,
      ...(done?.stoodMs !== undefined && { stoodMs: done.stoodMs }),
      ...(accepts()?.waitedMs !== undefined && { waitedMs: accepts()!.waitedMs! }),
      // The line says so at its own time, and how long before that it was confirmed.
      ...(done && goneAt !== undefined && { goneMs: goneAt - (done.time - (done.restMs ?? 0)) }),
    },
  };
}
