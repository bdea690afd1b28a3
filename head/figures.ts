/** What a head has counted since it started: the workers' totals, its time, and the kernel's counters. */
import type { HeadStatus } from '../shared/status.ts';
import { countsOf, growthOf, type Snapshot, takeSnapshot } from './counts.ts';
import { readListenCounters } from './listen-counters.ts';
import type { WorkerCounters } from './scoreboard.ts';

export class Figures {
  readonly #rows: readonly WorkerCounters[];
  readonly #startedAt = performance.now();
  readonly #kernelAtStart = readListenCounters();
  #snapshot: Snapshot | undefined;

  constructor(rows: readonly WorkerCounters[]) {
    this.#rows = rows;
  }

  /** The same for all that ask in one turn of the event loop: the figures of one answer agree with each other. */
  get counts(): Snapshot {
    if (!this.#snapshot) {
      this.#snapshot = takeSnapshot(this.#rows);
      setImmediate(() => {
        this.#snapshot = undefined;
      });
    }
    return this.#snapshot;
  }

  /** As they are now, whoever has asked before. */
  get open(): number {
    return takeSnapshot(this.#rows).totals.open;
  }

  /** As a status has them. */
  get all() {
    const cpu = process.cpuUsage();
    return {
      uptimeSeconds: (performance.now() - this.#startedAt) / 1000,
      cpu: { userMicros: cpu.user, systemMicros: cpu.system },
      ...countsOf(this.counts),
      kernel: growthOf(readListenCounters(), this.#kernelAtStart),
    } satisfies Partial<HeadStatus>;
  }
}
