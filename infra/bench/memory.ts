/**
 * What open connections cost in memory: resident memory of a head and of a delivery at several counts of connections
 * that were handed over and stay open, beside a Node server that accepted as many itself.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFilesLimit } from '../../shared/sys/limits.ts';
import { batonHolding } from './contenders/baton.ts';
import { startNodeHttp } from './contenders/node-http.ts';
import type { Stage } from './stage.ts';

/** Resident memory, kB: of the head, of one of its deliveries, and of the server beside them. */
interface MemorySample {
  /** Handed over and open, since the first sample; each delivery has its share, and the server as many as one delivery. */
  readonly connections: number;
  readonly each: number;
  readonly head: number;
  readonly delivery: number;
  readonly server: number;
}

/** Of one holder: below the ports of one source address. */
const PER_HOLDER = 10_000;
/** So many are open at the first reading: what is set up once, compiled code among it, does not count. */
const before = 10_000;
/** Node gives memory back, and the head tidies up, a while after it was used. */
const SETTLE_MS = 2000;
/** That share the head's connections, so that none meets the limit on open files. */
const deliveries = 5;
/** Credits of a delivery beyond its share, for a round-robin that is a little uneven. */
const SPARE = 100;
/** Files of a server besides its connections. */
const FILES_BESIDES = 256;

/** RSS of one process, kB. */
async function residentKilobytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]);
}

/**
 * Holds more and more connections to the head, in steps of 10,000 up to `most` or what the limit on open files allows;
 * `onSample` is told of each step.
 */
export async function measureMemory(
  stage: Stage,
  most: number,
  onSample: (sample: MemorySample) => void,
): Promise<MemorySample[]> {
  const limit = (openFilesLimit() - FILES_BESIDES) * deliveries - before;
  const steps = Math.floor(Math.min(most, limit) / PER_HOLDER);
  const handedOver = await batonHolding((before + steps * PER_HOLDER) / deliveries + SPARE, deliveries).start(
    stage,
  );
  const accepted = await startNodeHttp(stage, 0, 'open-app');
  const samples: MemorySample[] = [];
  for (let step = 0; step <= steps; step++) {
    const added = step === 0 ? before : PER_HOLDER;
    for (const [address, count] of [
      [handedOver.address, added],
      [accepted.address, added / deliveries],
    ] as const)
      await stage.launch(stage.programs.hold, [address, String(count), `127.1.0.${step + 1}`]);
    await sleep(SETTLE_MS);
    const pids = [handedOver.others[0]!, handedOver.subject, accepted.pid];
    const [head, delivery, server] = await Promise.all(pids.map(residentKilobytes));
    const connections = step * PER_HOLDER;
    const sample = {
      connections,
      each: connections / deliveries,
      head: head!,
      delivery: delivery!,
      server: server!,
    };
    samples.push(sample);
    onSample(sample);
  }
  return samples;
}
