/** How many visits a second a machine could take if nothing but CPU were scarce: what a visit costs, measured for a while. */
import { cpus } from 'node:os';
import { type CpuReading, readCpu } from '../bench/cpu.ts';
import type { Lab } from '../lab/lab.ts';
import { startVisitors } from './visitors.ts';

const MEASURED_MS = 8000;
const FIRST_RATE = 60;

/** Twice: what a visit costs falls with their rate, so the second time at a third of what the first time said. */
export async function measureCapacity(lab: Lab, seed: number): Promise<number> {
  return await capacityAt(lab, (await capacityAt(lab, FIRST_RATE, seed)) / 3, seed);
}

async function capacityAt(lab: Lab, rate: number, seed: number): Promise<number> {
  const visitors = await startVisitors(lab, {
    rate,
    seed,
    durationMs: MEASURED_MS,
    timeoutMs: 10_000,
    sampleMs: MEASURED_MS,
  });
  try {
    const pids = [visitors.pid, lab.head.pid, ...lab.deliveries.map(({ pid }) => pid)];
    const total = async () =>
      (await Promise.all(pids.map(readCpu))).reduce(
        (sum, { totalMicros }: CpuReading) => sum + totalMicros,
        0,
      );
    await until(visitors.startAt + 1000);
    const [began, before] = [Date.now(), await total()];
    await until(visitors.startAt + MEASURED_MS - 500);
    const visits = (rate * (Date.now() - began)) / 1000;
    return (cpus().length * 1e6 * visits) / ((await total()) - before);
  } finally {
    await visitors.stop();
    await visitors.remove();
  }
}

const until = (at: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));
