/**
 * The worker's end of the way to a delivery on another host. Connections are given to the main thread, which moves them
 * (see migrate/migrations.ts) and says of each what became of it; meanwhile the worker leaves their fds alone.
 */

import type { FromWorker } from '../worker-messages.ts';
import type { Lane } from './lane.ts';
import { steps } from './steps.ts';

export class RemoteLane implements Lane {
  readonly slot: number;
  /** The main thread keeps the deadlines. */
  readonly isWatched = false;
  /** What it is given goes to the main thread, where it waits for its turn: the delivery's credits are the limit. */
  readonly isFull = false;
  readonly isBusy = false;
  readonly watchedFd = -1;
  readonly #registration: number;
  readonly #tell: (message: FromWorker) => void;
  /** In the order in which they came. */
  readonly #untaken = new Set<number>();
  #pushed: number[] = [];
  /** Of these. */
  #states: Map<number, Uint8Array> | undefined;

  constructor(slot: number, registration: number, tell: (message: FromWorker) => void) {
    this.slot = slot;
    this.#registration = registration;
    this.#tell = tell;
  }

  get untaken(): number {
    return this.#untaken.size;
  }

  get oldestUntaken(): number {
    for (const fd of this.#untaken) return fd;
    return -1;
  }

  get isBlocked(): boolean {
    return this.#pushed.length > 0;
  }

  push(fd: number, state?: Uint8Array): void {
    steps?.move(fd, this.slot);
    if (state) {
      this.#states ??= new Map();
      this.#states.set(fd, state);
    }
    this.#untaken.add(fd);
    this.#pushed.push(fd);
  }

  flush(): void {
    const fds = this.#pushed;
    this.#pushed = [];
    const states = this.#states;
    this.#states = undefined;
    const { slot } = this;
    this.#tell({ type: 'migrate', slot, registration: this.#registration, fds, ...(states && { states }) });
  }

  gather(): void {
    this.flush();
  }

  read(): number {
    return 0;
  }

  settle(fd: number): boolean {
    return this.#untaken.delete(fd);
  }

  /**
   * The main thread has settled all that it had begun, and begins nothing more of this registration: what is left here
   * it has not touched.
   */
  close(onUntaken: (fd: number) => void): void {
    this.#pushed = [];
    const left = [...this.#untaken];
    this.#untaken.clear();
    for (const fd of left) {
      steps?.kept(fd, this.slot);
      onUntaken(fd);
    }
  }

  /** What is on it is in the main thread's hands, and stays there. */
  stop(): void {}
}
