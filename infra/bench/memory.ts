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

/** Resident memory with so many connections open, kB: of the head, the delivery, and the server beside them. */
interface MemorySample {
  readonly connections: number;
  readonly head: number;
  readonly delivery: number;
  readonly server: number;
}

/** Of one holder: below the ports of one source address. */
const perHolder = 10_000;
/** So many are open at the first reading already, so that what is set up once does not count. */
const before = 2000;
/** Node gives memory back, and the head tidies up, a while after it was used. */
const settleMillis = 2000;
/** Files of a server besides its connections. */
const filesBesides = 256;

/** RSS of one process, kB. */
async function residentKilobytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]);
}

/**
 * Holds more and more connections to both, in steps of 10,000 up to `most` or what the limit on open files allows;
 * `onSample` is told of each step.
 */
export async function measureMemory(
  stage: Stage,
  most: number,
  onSample: (sample: MemorySample) => void,
): Promise<MemorySample[]> {
  const limit = openFilesLimit() - filesBesides - before;
  const steps = Math.floor(Math.min(most, limit) / perHolder);
  const handedOver = await batonHolding(before + steps * perHolder).start(stage);
  const accepted = await startNodeHttp(stage, 0, 'open-app');
  // Once all of it and away again: code is compiled and memory taken that will be used again.
  for (const { address } of [handedOver, accepted]) {
    const warmUp = await stage.launch(stage.programs.hold, [address, String(perHolder), '127.1.1.1']);
    await warmUp.stop();
  }
  await sleep(settleMillis);
  const samples: MemorySample[] = [];
  for (let step = 0; step <= steps; step++) {
    const added = step === 0 ? before : perHolder;
    for (const { address } of [handedOver, accepted]) {
      await stage.launch(stage.programs.hold, [address, String(added), `127.1.0.${step + 1}`]);
    }
    await sleep(settleMillis);
    const pids = [handedOver.others[0]!, handedOver.subject, accepted.pid];
    const [head, delivery, server] = await Promise.all(pids.map(residentKilobytes));
    const sample = { connections: step * perHolder, head: head!, delivery: delivery!, server: server! };
    samples.push(sample);
    onSample(sample);
  }
  return samples;
}
