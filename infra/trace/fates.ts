/** How threads of a trace have ended, which says what may be missing at the end of theirs. */
import type { Thread } from './steps.ts';

export type Fate =
  /** In order: nothing is missing, and nothing is left. */
  | 'ended'
  /** It goes on: nothing is missing, and anything may be left. */
  | 'running'
  /** At any moment, its last step unwritten; its kernel has closed what it had. */
  | 'killed';

export class Fates {
  readonly #killed: ReadonlySet<number>;
  readonly #running: ReadonlySet<number>;
  readonly #threads: readonly Thread[];

  constructor(threads: readonly Thread[], killed: Iterable<number>, running: Iterable<number>) {
    this.#threads = threads;
    this.#killed = new Set(killed);
    this.#running = new Set(running);
  }

  of(thread: Thread): Fate {
    if (thread.hasEnded) return 'ended';
    return this.#killed.has(thread.pid) || this.#wasTerminated(thread) ? 'killed' : 'running';
  }

  /** A thread that the one which has started it has ended (worker.terminate()) has no last word. */
  #wasTerminated({ pid, number }: Thread): boolean {
    return this.#threads.some((other) => other.pid === pid && other.number < number && other.hasEnded);
  }

  /** Somebody was killed who may have got what another has passed on, before he could write so. */
  isAnySuccessorKilled(): boolean {
    return this.#threads.some((thread) => thread.tookOver && this.of(thread) === 'killed');
  }

  /** Who has come to no end that is known of; a line each. */
  unknown(): string[] {
    return this.#threads
      .filter((thread) => thread.hasDone && !this.#running.has(thread.pid))
      .filter((thread) => this.of(thread) === 'running')
      .map(({ name }) => `${name}: has neither ended, nor is it known to be killed`);
  }
}
