/** One run of chaos: a lab, clients, the faults of a schedule, and whether all that happened may happen. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../shared/errors.ts';
import type { Lab, LabHead } from '../lab/lab.ts';
import { killed } from '../processes/launch.ts';
import { isIdle, sampleHead } from '../soak/sample.ts';
import type { Change } from './addresses.ts';
import { prepareClocks } from './clocks.ts';
import { type Happened, inflict, type Sighting } from './happened.ts';
import { judge, keepRun, type Outcome, type Run, traceOf } from './judge.ts';
import type { Client, World } from './kinds/kind.ts';
import { HEADS, isAlive } from './kinds/processes.ts';
import { type ChaosKind, type ChaosLab, clients, needCards, placesOf, program, startLab } from './labs.ts';
import { now } from './records.ts';
import { occupiedBy, type Schedule } from './schedule.ts';
import { pause, watch } from './watch.ts';

export interface ChaosOptions {
  readonly on: ChaosKind;
  /** Visits a second. */
  readonly rate: number;
  readonly signal: AbortSignal;
  /** What the processes wrote is kept there when something is wrong; `keepsAll`: always. */
  readonly keep?: string;
  readonly keepsAll?: boolean;
  /** Is told where the traces of the processes are, while they are there, and which were killed. */
  readonly onTraces?: (folder: string, killed: readonly number[]) => void;
}

/** Of a visit: longer than faults and what TCP makes of them last. */
const TIMEOUT_MS = 30_000;
const SETTLE_MS = 20_000;

export async function runChaos(schedule: Schedule, options: ChaosOptions): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-chaos-'));
  await mkdir(traceOf(folder));
  const clocks = schedule.faults.some(({ kind }) => kind === 'clock') ? prepareClocks(folder) : {};
  // Processes of the lab inherit them.
  const environment = { CHAOS_FOLDER: folder, BATON_TRACE: traceOf(folder), ...clocks };
  Object.assign(process.env, environment);
  try {
    const run = await runIn(schedule, options);
    const outcome = judge(folder, run);
    options.onTraces?.(traceOf(folder), run.killed);
    if (options.keep !== undefined && (options.keepsAll || outcome.violations.length > 0))
      await keepRun(folder, options.keep, run, outcome);
    return outcome;
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
    await rm(folder, { recursive: true, force: true });
  }
}

async function runIn(schedule: Schedule, options: ChaosOptions): Promise<Run> {
  const { on, signal } = options;
  killed.atOnce.clear();
  killed.late.clear();
  killed.lastWords.clear();
  const lab = await startLab(on, schedule);
  const problems: string[] = [];
  const happened: Happened[] = [];
  const sightings: Sighting[] = [];
  const addresses: Change[] = [];
  try {
    await breakIt(lab, schedule, options, { problems, happened, sightings, addresses });
    if (!signal.aborted) await needCards(lab);
    problems.push(...(await left(lab)));
  } finally {
    await lab.stop();
  }
  const stopped = happened.filter(({ kind }) => kind === 'stop').map(({ pid }) => pid);
  const cut = happened.flatMap((fault) => fault.killed ?? []);
  for (const pid of killed.late)
    if (!stopped.includes(pid)) problems.push(`${pid} was told to end, and had to be killed`);
  return {
    ...{ schedule, deliveries: placesOf(on).deliveries, happened, sightings, addresses, problems },
    killed: [...killed.atOnce, ...killed.late, ...cut],
    lastWords: [...killed.lastWords],
  };
}

async function breakIt(
  lab: ChaosLab,
  schedule: Schedule,
  { rate, signal }: ChaosOptions,
  {
    problems,
    happened,
    sightings,
    addresses,
  }: { problems: string[]; happened: Happened[]; sightings: Sighting[]; addresses: Change[] },
): Promise<void> {
  const world: World = { lab, clients: new Map(), host: (name) => lab.network!.host(name) };
  for (const [index, name] of clients.entries())
    world.clients.set(name, await startClient(lab, name, schedule.seed + index, rate / clients.length));
  const began = now();
  const over = new AbortController();
  const watching = watch(lab, over.signal, {
    problem: (text) => problems.push(text),
    happened: (what) => happened.push(what),
    sighting: (what) => sightings.push(what),
    addresses: (all) => addresses.push(...all),
  });
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
  await Promise.all([...world.clients.values()].map(endClient));
  over.abort();
  await watching;
  // Its machine was too slow for it: what followed says nothing about Baton.
  if (labFailed) throw labFailed;
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

/** Everything is mended: all must be there, and nothing of any connection. */
async function left(lab: Lab): Promise<string[]> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const problems = await Promise.all(lab.heads.map((head, at) => leftAt(HEADS[at]!, head, lab)));
    const found = problems.filter((problem) => problem !== undefined);
    if (found.length === 0 || Date.now() > deadline) return found;
    await delay(200);
  }
}

async function leftAt(name: string, head: LabHead, { heads, deliveries }: Lab): Promise<string | undefined> {
  const sample = await sampleHead({ head });
  const status = await head.status();
  const away = deliveries
    // One that is on a head's own host is no other head's.
    .filter(({ transport }) => transport === 'migrate' || head === heads[0])
    .filter(
      (one) => !isAlive(one.pid) || status.deliveries.find((each) => each.name === one.name)?.state !== 'up',
    );
  if (isIdle(sample) && sample.uncounted === 0 && away.length === 0) return undefined;
  const { open, lingering, inUse, flows, uncounted } = sample;
  return `${name}, at the end: ${open} open, ${lingering} lingering, ${inUse} at deliveries, ${flows} flows, ${uncounted} not counted; away: ${away.map((one) => one.name).join(', ') || 'nobody'}`;
}
