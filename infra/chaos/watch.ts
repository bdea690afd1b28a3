/** What is seen of a lab while things break: counters, who serves, cookies, who has the address. A head that is not there says nothing. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { readTcpExt } from '../../shared/sys/netstat.ts';
import type { LabHead } from '../lab/lab.ts';
import { sampleHead } from '../soak/sample.ts';
import { type Change, movesOf, watchCard } from './addresses.ts';
import type { Happened, Sighting } from './happened.ts';
import { HEADS } from './kinds/processes.ts';
import type { ChaosLab } from './labs.ts';
import { now } from './records.ts';

const SEEN_EVERY_MS = 200;
const COUNTED_EVERY_MS = 500;

export const pause = (ms: number, signal: AbortSignal) =>
  delay(Math.max(0, ms), undefined, { signal }).catch(() => {});

export interface Told {
  problem(text: string): void;
  happened(what: Happened): void;
  sighting(what: Sighting): void;
  addresses(all: readonly Change[]): void;
}

/** Until `over`. */
export const watch = (lab: ChaosLab, over: AbortSignal, told: Told): Promise<unknown> =>
  Promise.all([
    ...lab.heads.flatMap((head, at) => {
      const name = HEADS[at]!;
      return [
        watchCounters(name, head, over, told),
        watchDeliveries(name, head, over, told),
        watchCookies(name, head, over, told),
      ];
    }),
    ...(lab.heads.length > 1 ? [watchAddress(lab, over, told)] : []),
  ]);

/** accepted = open + all outcomes, whenever somebody looks. */
async function watchCounters(name: string, head: LabHead, over: AbortSignal, told: Told): Promise<void> {
  while (!over.aborted) {
    const sample = await sampleHead({ head }).catch(() => undefined);
    if (sample && sample.uncounted !== 0)
      told.problem(
        `at ${sample.at}: ${name} has accepted ${sample.accepted}, ${sample.uncounted} of them not counted as anything`,
      );
    await pause(COUNTED_EVERY_MS, over);
  }
}

/** Who is given connections. */
async function watchDeliveries(name: string, head: LabHead, over: AbortSignal, told: Told): Promise<void> {
  while (!over.aborted) {
    const status = await head.status().catch(() => undefined);
    const up = status?.deliveries.filter(({ state }) => state === 'up').map((each) => each.name);
    if (up) told.sighting({ at: now(), head: name, up });
    await pause(SEEN_EVERY_MS, over);
  }
}

/** Tells when the kernel has found cookies wrong. What it does while there is no head is seen with the next one. */
async function watchCookies(name: string, head: LabHead, over: AbortSignal, told: Told): Promise<void> {
  const read = () => readTcpExt(['SyncookiesFailed'], head.pid).SyncookiesFailed ?? undefined;
  let count = read();
  let from = now();
  while (!over.aborted) {
    await pause(COUNTED_EVERY_MS, over);
    const next = read();
    if (next === undefined) continue;
    const at = now();
    if (count !== undefined && next > count) told.happened(unasked('cookiesFailed', name, from, at));
    count = next;
    from = at;
  }
}

/** Tells of each time in which the address was not with the one head that had it before, and that alone: when all is over. */
async function watchAddress({ network }: ChaosLab, over: AbortSignal, told: Told): Promise<void> {
  const { vip } = network!.topology;
  const changes: Change[] = [];
  const broke = (error: Error) => told.problem(error.message);
  const watched = await Promise.allSettled(
    HEADS.map((name, host) =>
      watchCard(network!.host(name), vip.v4, (isHere, at) => changes.push({ at, host, isHere }), broke),
    ),
  );
  if (!over.aborted) await once(over, 'abort');
  for (const one of watched)
    if (one.status === 'fulfilled') await one.value();
    else broke(one.reason);
  const nameOf = (host: number) => HEADS[host]!;
  told.addresses(changes);
  for (const { from, until, to, holders } of movesOf(changes, now()))
    told.happened({ ...unasked('addressMoved', nameOf(to), from, until), holders: holders.map(nameOf) });
}

const unasked = (kind: Happened['kind'], target: string, from: number, to: number): Happened => ({
  ...{ kind, target, at: 0, lasts: 0, pid: 0 },
  ...{ from, begun: to, until: to, mended: to },
});
