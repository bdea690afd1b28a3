/** The worker threads of a head, as the main thread sees them. */
import { join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { closeFd } from '../shared/sys/sockets.ts';
import { createWake, wake } from '../shared/sys/wake.ts';
import type { FromWorker, PassedConnection, ToWorker, WorkerSettings } from './worker-messages.ts';

// Built, the worker is a .js file as this one is.
const entry = new URL(
  import.meta.url.endsWith('.ts') ? './worker/main.ts' : './worker/main.js',
  import.meta.url,
);

/**
 * From a checkout each worker would strip the types of the same files again: 0.27 s of CPU, and 0.07 s from a cache
 * (measured). A package has no types to strip, and writes nothing beside itself.
 */
const optionsNow = (): WorkerOptions =>
  entry.pathname.endsWith('.ts')
    ? {
        env: {
          ...process.env,
          NODE_COMPILE_CACHE: join(import.meta.dirname, '..', 'node_modules', '.cache', 'baton'),
        },
      }
    : {};

export interface WorkersParts {
  readonly settings: readonly Omit<WorkerSettings, 'wake'>[];
  readonly onMessage: (worker: number, message: FromWorker) => void;
  /** How long the others may pass on what they hold when one has failed, milliseconds. */
  readonly stopWithinMs: () => number;
}

export class Workers {
  /** Resolves when all have ended, and rejects then with what the first that failed threw. */
  readonly ended: Promise<void>;
  readonly #threads: WorkerThread[];
  /** Resolves when none of them holds anything; their threads end, which takes tens of milliseconds each. */
  readonly stopped: Promise<void>;
  readonly #allStopped = Promise.withResolvers<void>();
  readonly #running: Set<number>;
  /** Workers that accept no more. */
  #closed = 0;
  #round = 0;
  #gathering:
    | {
        readonly type: 'frozen' | 'rest';
        left: number;
        readonly found: PassedConnection[];
        readonly resolve: (found: readonly PassedConnection[]) => void;
      }
    | undefined;

  private constructor(threads: WorkerThread[], { stopWithinMs }: WorkersParts) {
    this.#threads = threads;
    this.#running = new Set(threads.keys());
    this.stopped = this.#allStopped.promise;
    const failed = threads.map(async ({ ended }) => {
      try {
        await ended;
      } catch (error) {
        this.tellAll({ type: 'stop', withinMs: stopWithinMs() });
        throw error;
      }
    });
    this.ended = Promise.allSettled(failed).then((results) => {
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    });
  }

  /** Starts them side by side and waits until every one is ready. Rejects, with all ended again, when one is not. */
  static async start(parts: WorkersParts): Promise<Workers> {
    const threads = parts.settings.map((settings) => new WorkerThread(settings));
    const workers = new Workers(threads, parts);
    for (const [index, thread] of threads.entries()) {
      thread.onMessage = (message) => {
        if (message.type === 'closed') workers.#closed++;
        if (message.type === 'stopped') workers.#stopped(index);
        workers.#gathered(message);
        parts.onMessage(index, message);
      };
    }
    try {
      await Promise.all(threads.map((thread) => thread.ready));
    } catch (error) {
      workers.tellAll({ type: 'stop', withinMs: 0 });
      await workers.ended.catch(() => {});
      throw error;
    }
    return workers;
  }

  #stopped(worker: number): void {
    this.#running.delete(worker);
    if (this.#running.size === 0) this.#allStopped.resolve();
  }

  /** It has not stopped. */
  runs(worker: number): boolean {
    return this.#running.has(worker);
  }

  /** All have accepted what was queued, and have closed their listeners. */
  get areClosed(): boolean {
    return this.#closed === this.#threads.length;
  }

  /** Has all `freeze`, or `collect`, and resolves with what they have answered. */
  gather(type: 'frozen' | 'rest'): Promise<readonly PassedConnection[]> {
    const { promise, resolve } = Promise.withResolvers<readonly PassedConnection[]>();
    this.#gathering = { type, left: this.#threads.length, found: [], resolve };
    if (type === 'frozen') this.tellAll({ type: 'freeze', round: ++this.#round });
    else this.tellAll({ type: 'collect' });
    return promise;
  }

  #gathered(message: FromWorker): void {
    const gathering = this.#gathering;
    if (!gathering || message.type !== gathering.type) return;
    // One that was asked before, and given up for, may answer late.
    if (message.type === 'frozen' && message.round !== this.#round) return;
    gathering.found.push(...(message as FromWorker & { type: 'frozen' }).connections);
    if (--gathering.left === 0) gathering.resolve(gathering.found);
  }

  tell(worker: number, message: ToWorker): void {
    this.#threads[worker]!.tell(message);
  }

  tellAll(message: ToWorker): void {
    for (const thread of this.#threads) thread.tell(message);
  }
}

class WorkerThread {
  onMessage: (message: FromWorker) => void = () => {};
  readonly ready: Promise<void>;
  /** Resolves when the thread has ended; rejects with what it threw. */
  readonly ended: Promise<void>;
  readonly #thread: Worker;
  readonly #wake = createWake();
  #running = true;

  constructor(settings: Omit<WorkerSettings, 'wake'>) {
    const workerData: WorkerSettings = { ...settings, wake: this.#wake };
    const thread = new Worker(entry, { workerData, name: `acceptor ${settings.index}`, ...optionsNow() });
    this.#thread = thread;
    this.ended = new Promise<void>((resolve, reject) => {
      thread.once('error', reject);
      thread.once('exit', () => {
        this.#running = false;
        closeFd(this.#wake);
        resolve();
      });
    });
    this.ready = new Promise<void>((resolve, reject) => {
      thread.on('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve();
        else this.onMessage(message);
      });
      const never = new Error('a worker ended before it was ready');
      this.ended.then(() => reject(never), reject);
    });
  }

  tell(message: ToWorker): void {
    if (!this.#running) return;
    this.#thread.postMessage(message);
    wake(this.#wake);
  }
}
