/** A soak from beginning to end: whatever happens, its lab is gone when it settles, and what was seen is answered. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LabKind } from '../lab/kinds/kind.ts';
import type { Lab } from '../lab/lab.ts';
import { measureCapacity } from './capacity.ts';
import { type Happened, inflict, planFaults } from './faults.ts';
import { type HeadSample, isIdle, sampleHead } from './sample.ts';
import type { Soaked } from './verdict.ts';
import { startVisitors } from './visitors.ts';
import type { VisitsSample } from './visitors-main.ts';

export interface SoakOptions {
  readonly on: LabKind;
  readonly durationMs: number;
  /** Visits a second; undefined: a third of what the machine could take. */
  readonly rate: number | undefined;
  readonly seed: number;
  readonly faultEveryMs: number;
  readonly sampleMs: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface Ran extends Soaked {
  readonly rate: number;
  readonly visits: readonly VisitsSample[];
  readonly startAt: number;
  readonly version: string;
}

const WORKERS = 2;
const DELIVERIES = 3;
/** Of a whole visit: longer than any fault lasts, so that what only waited does not fail. */
const TIMEOUT_MS = 20_000;
/** Until what visits have left is gone: the kernel's last acknowledgments, flows that are forgotten a second later. */
const SETTLE_MS = 15_000;

export async function soak(options: SoakOptions): Promise<Ran> {
  const { on, signal, say } = options;
  const lab = await on.start({
    mode: 'handoff',
    // Some on hosts of their own where the lab has hosts, and one beside the head.
    deliveries: on.hasHosts ? DELIVERIES - 1 : DELIVERIES,
    local: on.hasHosts ? 1 : 0,
    tls: 'everywhere',
    headArguments: ['--workers', String(WORKERS)],
    ...(on.hasHosts ? { links: { client: {} } } : {}),
  });
  try {
    const { version } = await lab.head.status();
    const rate = options.rate ?? (await measureCapacity(lab, options.seed)) / 3;
    say(`${rate.toFixed(0)} visits a second; head ${lab.head.pid}`);
    return { ...(await visitAndBreak(lab, rate, options)), version };
  } finally {
    await lab.stop();
    if (signal.aborted) say('interrupted: what was seen until now follows');
  }
}

async function visitAndBreak(lab: Lab, rate: number, options: SoakOptions): Promise<Omit<Ran, 'version'>> {
  const { durationMs, seed, sampleMs, faultEveryMs, say } = options;
  const before = await untilIdle(lab);
  const visitors = await startVisitors(lab, { rate, seed, durationMs, timeoutMs: TIMEOUT_MS, sampleMs });
  const over = new AbortController();
  const stopped = AbortSignal.any([options.signal, over.signal]);
  const broken: string[] = [];
  const samples: HeadSample[] = [];
  const happened: Happened[] = [];
  const { startAt } = visitors;
  const note = (error: unknown) => {
    broken.push(error instanceof Error ? error.message : String(error));
    say(broken.at(-1)!);
    over.abort();
  };
  const watching = watch().catch(note);
  const breaking = breakThings().catch(note);
  try {
    await Promise.race([visitors.ended, once(stopped)]);
    over.abort();
    await Promise.all([watching, breaking]);
    // A visit that was begun late may still go on; when the run is ended early they all end now.
    if (options.signal.aborted || broken.length > 0) await visitors.stop();
    await visitors.ended;
    const visits = await visitors.read();
    const failed = visits.flatMap(({ kinds }) => Object.values(kinds).flatMap((kind) => kind.failed));
    return { before, after: await untilIdle(lab), samples, failed, happened, broken, rate, visits, startAt };
  } finally {
    await visitors.stop();
    await visitors.remove();
  }

  async function watch(): Promise<void> {
    for (let at = startAt; !stopped.aborted; at += sampleMs) {
      await pause(at - Date.now());
      if (stopped.aborted) return;
      samples.push(await sampleHead(lab));
    }
  }

  async function breakThings(): Promise<void> {
    const lacks = { deliveries: lab.deliveries.length, cables: lab.on !== 'loopback' };
    for (const planned of planFaults(seed, durationMs, faultEveryMs, lacks)) {
      await pause(startAt + planned.beginMs - Date.now());
      if (stopped.aborted) return;
      say(`${((Date.now() - startAt) / 60_000).toFixed(1)} min: ${planned.fault.name}`);
      happened.push(await inflict(planned, lab, stopped));
    }
  }

  function pause(ms: number): Promise<unknown> {
    return delay(Math.max(0, ms), undefined, { signal: stopped }).catch(() => {});
  }
}

const once = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** The last reading, also when something stays. */
async function untilIdle(lab: Lab): Promise<HeadSample> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const sample = await sampleHead(lab);
    if (isIdle(sample) || Date.now() > deadline) return sample;
    await delay(100);
  }
}
