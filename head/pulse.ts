/**
 * Whether a head's workers turn. One that hangs cannot say so, and visitors wait in its queue without end; the main thread looks
 * whether it has woken up since the last look. One that is busy has: it looks at what is next at least once a second.
 */
import type { Logger } from '../shared/log.ts';
import type { WorkerCounters } from './scoreboard.ts';

/** Looks in a row, a second or so apart, that find a worker where it was: a sleep lasts a second at most. */
const LOOKS = 4;

export class Pulse {
  readonly #rows: readonly Pick<WorkerCounters, 'beats'>[];
  readonly #runs: (worker: number) => boolean;
  readonly #log: Pick<Logger, 'error' | 'warn'>;
  readonly #seen: number[];
  readonly #looks: number[];

  /** `runs`: one that has ended turns no more, and is not missed. */
  constructor(
    rows: readonly Pick<WorkerCounters, 'beats'>[],
    runs: (worker: number) => boolean,
    log: Pick<Logger, 'error' | 'warn'>,
  ) {
    this.#rows = rows;
    this.#runs = runs;
    this.#log = log;
    this.#seen = rows.map(() => -1);
    this.#looks = rows.map(() => 0);
  }

  /** To be asked a second or so apart: looks are counted, so that one process that was stopped for long is one look late. */
  isThere(): boolean {
    return this.#rows.map((row, worker) => this.#turns(worker, row.beats)).every(Boolean);
  }

  #turns(worker: number, beats: number): boolean {
    const looks = this.#looks[worker]!;
    const hasTurned = beats !== this.#seen[worker] || !this.#runs(worker);
    this.#seen[worker] = beats;
    this.#looks[worker] = hasTurned ? 0 : looks + 1;
    if (looks + 1 === LOOKS && !hasTurned) this.#log.error({ worker }, 'a worker stands still');
    if (looks >= LOOKS && hasTurned) this.#log.warn({ worker }, 'a worker that stood still goes on');
    return this.#looks[worker]! < LOOKS;
  }
}
