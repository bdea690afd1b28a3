/** One run of chaos: a lab, clients, the faults of a schedule, and whether all that happened may happen. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { policyNames } from '../../head/choose/index.ts';
import { BatonError } from '../../shared/errors.ts';
import { readTcpExt } from '../../shared/sys/netstat.ts';
import type { Lab } from '../lab/lab.ts';
import { startLoopbackLab } from '../lab/loopback.ts';
import { type NetnsLab, startNetnsLab } from '../lab/netns.ts';
import { isIdle, sampleHead } from '../soak/sample.ts';
import { checkTraces } from '../trace/index.ts';
import { checkVisits, type Found } from './check.ts';
import { areClocksThere, prepareClocks } from './clocks.ts';
import { type Happened, inflict, type Sighting } from './happened.ts';
import type { Client, Places, World } from './kinds/kind.ts';
import { isAlive } from './kinds/processes.ts';
import { now, readRecords } from './records.ts';
import { occupiedBy, type Schedule } from './schedule.ts';

export const kinds = ['netns', 'loopback'] as const;
export type ChaosKind = (typeof kinds)[number];

export interface ChaosOptions {
  readonly on: ChaosKind;
  /** Visits a second. */
  readonly rate: number;
  readonly signal: AbortSignal;
  /** What the processes wrote is kept there when something is wrong. */
  readonly keep?: string;
  /** Is told where the traces of the processes are, while they are there, and which were killed. */
  readonly onTraces?: (folder: string, killed: readonly number[]) => void;
}

export interface Outcome extends Found {
  readonly happened: readonly Happened[];
}

const program = (name: string) =>
  fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
const clients = ['c1', 'c2'];

export const placesOf = (on: ChaosKind): Places => ({
  deliveries: on === 'netns' ? ['d1', 'd2', 'l1', 'l2'] : ['l1', 'l2', 'l3'],
  clients,
  cables: on === 'netns' ? ['client', 'head', 'd1', 'd2'] : [],
  policies: policyNames,
  clocks: areClocksThere(),
});

/** Of a visit: longer than faults and what TCP makes of them last. */
const TIMEOUT_MS = 30_000;
const SETTLE_MS = 20_000;
const SEEN_EVERY_MS = 200;

export async function runChaos(schedule: Schedule, options: ChaosOptions): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-chaos-'));
  const trace = join(folder, 'trace');
  await mkdir(trace);
  const clocks = schedule.faults.some(({ kind }) => kind === 'clock') ? prepareClocks(folder) : {};
  // Processes of the lab inherit them.
  const environment = { CHAOS_FOLDER: folder, BATON_TRACE: trace, ...clocks };
  Object.assign(process.env, environment);
  try {
    const { happened, problems, sightings } = await runIn(schedule, options);
    const found = checkVisits(readRecords(folder), happened, {
      deliveries: placesOf(options.on).deliveries,
      sightings,
    });
    const killed = killedIn(happened);
    options.onTraces?.(trace, killed);
    const traced = checkTraces(trace, { killed }).faults.map((problem) => `trace: ${problem}`);
    const outcome = { ...found, violations: [...problems, ...found.violations, ...traced], happened };
    if (options.keep !== undefined && outcome.violations.length > 0) {
      await cp(folder, options.keep, { recursive: true });
      await writeFile(join(options.keep, 'happened.json'), JSON.stringify({ happened, sightings }, null, 1));
      await writeFile(join(options.keep, 'violations.txt'), outcome.violations.join('\n'));
    }
    return outcome;
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
    await rm(folder, { recursive: true, force: true });
  }
}

/** Their last step may be missing. */
const killedIn = (happened: readonly Happened[]): number[] =>
  happened.flatMap(({ kind, pid, killed = 0 }) => [kind === 'kill' || kind === 'stop' ? pid : 0, killed]);

async function runIn(
  schedule: Schedule,
  options: ChaosOptions,
): Promise<{ happened: Happened[]; problems: string[]; sightings: Sighting[] }> {
  const { on, signal } = options;
  const wanted = {
    mode: 'handoff',
    headArguments: schedule.head,
    deliveryArguments: ['--app', program('app'), ...schedule.delivery],
  } as const;
  const netns =
    on === 'netns'
      ? await startNetnsLab({
          ...wanted,
          deliveries: 2,
          local: 2,
          links: Object.fromEntries(placesOf(on).cables.map((name) => [name, {}])),
        })
      : undefined;
  const lab: Lab = netns ?? (await startLoopbackLab({ ...wanted, deliveries: 0, local: 3 }));
  const problems: string[] = [];
  const happened: Happened[] = [];
  const sightings: Sighting[] = [];
  const world: World = {
    lab,
    clients: new Map(),
    host: (name) => netns!.network.host(name),
  };
  try {
    for (const [index, name] of clients.entries())
      world.clients.set(
        name,
        await startClient(lab, name, schedule.seed + index, options.rate / clients.length),
      );
    const began = now();
    const over = new AbortController();
    const watching = [
      watchCounters(lab, over.signal, problems),
      watchDeliveries(lab, over.signal, sightings),
      watchCookies(lab, over.signal, (failed) => happened.push(failed)),
    ];
    let labFailed: BatonError | undefined;
    /** What is busy until when: a head that takes its time to stop is not killed by the next fault. */
    const mended = new Map<string, Promise<void>>();
    await Promise.all(
      schedule.faults.map(async (entry) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        const before = occupiedBy(entry).map((place) => mended.get(place));
        for (const place of occupiedBy(entry)) mended.set(place, promise);
        try {
          await pause(began + entry.at - now(), signal);
          await Promise.all(before);
          if (!signal.aborted) await inflict(entry, world, signal, (one) => happened.push(one));
        } catch (error) {
          if (error instanceof BatonError && error.code === 'LAB_FAILED') labFailed ??= error;
          problems.push(
            `${entry.kind} of ${entry.target} at ${entry.at} ms: ${error instanceof Error ? error.message : error}`,
          );
        } finally {
          resolve();
        }
      }),
    );
    await pause(began + schedule.durationMs - now(), signal);
    over.abort();
    await Promise.all(watching);
    await Promise.all([...world.clients.values()].map(endClient));
    // Its machine was too slow for it: what followed says nothing about Baton.
    if (labFailed) throw labFailed;
    if (netns) await needCards(netns);
    problems.push(...(await left(lab)));
    return { happened, problems, sightings };
  } finally {
    await lab.stop();
  }
}

/** A delay line that has ended took its host's card along: what happened then says nothing about Baton. */
async function needCards({ network }: NetnsLab): Promise<void> {
  for (const host of network.hosts) {
    const there = await host.run(['sh', '-c', 'test -e /sys/class/net/eth0 && echo yes || echo no']);
    if (there.trim() !== 'yes')
      throw new BatonError('LAB_FAILED', { problem: `the lab's own cable of ${host.name} is gone` });
  }
}

async function startClient(lab: Lab, name: string, seed: number, rate: number): Promise<Client> {
  const args = [name, lab.head.listen, String(rate), String(seed), String(TIMEOUT_MS)];
  const service = await lab.client.start([process.execPath, program('visitors-main'), ...args]);
  return { name, service, restart: () => startClient(lab, name, seed + 1000, rate) };
}

/** When what it has begun is over. */
async function endClient({ service }: Client): Promise<void> {
  process.kill(service.pid, 'SIGTERM');
  const deadline = Date.now() + TIMEOUT_MS + 5000;
  while (isAlive(service.pid) && Date.now() < deadline) await delay(50);
  await service.stop();
}

const pause = (ms: number, signal: AbortSignal) =>
  delay(Math.max(0, ms), undefined, { signal }).catch(() => {});

/** accepted = open + all outcomes, whenever somebody looks. A head that is not there says nothing. */
async function watchCounters(lab: Lab, over: AbortSignal, problems: string[]): Promise<void> {
  while (!over.aborted) {
    const sample = await sampleHead(lab).catch(() => undefined);
    if (sample && sample.uncounted !== 0)
      problems.push(
        `at ${sample.at}: ${sample.accepted} accepted, ${sample.uncounted} of them not counted as anything`,
      );
    await pause(500, over);
  }
}

/** Who is given connections. A head that is not there, or stands still, says nothing. */
async function watchDeliveries(lab: Lab, over: AbortSignal, sightings: Sighting[]): Promise<void> {
  while (!over.aborted) {
    const status = await lab.head.status().catch(() => undefined);
    const up = status?.deliveries.filter(({ state }) => state === 'up').map(({ name }) => name);
    if (up) sightings.push({ at: now(), up });
    await pause(SEEN_EVERY_MS, over);
  }
}

/** Tells when the kernel has found cookies wrong. What it does while there is no head is seen with the next one. */
async function watchCookies(lab: Lab, over: AbortSignal, tell: (failed: Happened) => void): Promise<void> {
  const read = () => readTcpExt(['SyncookiesFailed'], lab.head.pid).SyncookiesFailed ?? undefined;
  let count = read();
  let from = now();
  while (!over.aborted) {
    await pause(500, over);
    const next = read();
    if (next === undefined) continue;
    const at = now();
    if (count !== undefined && next > count)
      tell({
        ...{ kind: 'cookiesFailed', target: 'head', at: 0, lasts: 0, pid: 0 },
        ...{ from, begun: at, until: at, mended: at },
      });
    count = next;
    from = at;
  }
}

/** Everything is mended: all must be there, and nothing of any connection. */
async function left(lab: Lab): Promise<string[]> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const sample = await sampleHead(lab);
    const { deliveries } = await lab.head.status();
    const away = lab.deliveries.filter(
      ({ name, pid }) => !isAlive(pid) || deliveries.find((each) => each.name === name)?.state !== 'up',
    );
    if (isIdle(sample) && sample.uncounted === 0 && away.length === 0) return [];
    if (Date.now() > deadline) {
      const { open, lingering, inUse, flows, uncounted } = sample;
      return [
        `at the end: ${open} open, ${lingering} lingering, ${inUse} at deliveries, ${flows} flows, ${uncounted} not counted; away: ${away.map(({ name }) => name).join(', ') || 'nobody'}`,
      ];
    }
    await delay(200);
  }
}
