/** One generator or several: in this process, or each in one of its own, which share the same arrivals. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../shared/errors.ts';
import { mergeResults } from './merge.ts';
import type { VisitOptions, VisitProgress } from './options.ts';
import type { VisitResult } from './result.ts';
import { runVisits } from './run.ts';

export interface Generators {
  run(options: VisitOptions): Promise<VisitResult>;
  close(): Promise<void>;
}

/** What goes through the channel. JSON has no Infinity: null. */
export type Order =
  | { readonly kind: 'priority'; readonly priority: number }
  | { readonly kind: 'run'; readonly options: VisitOptions; readonly slowAfterMs?: number | null }
  | { readonly kind: 'stop' };
export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly progress: VisitProgress }
  | { readonly kind: 'slow'; readonly count: number }
  | { readonly kind: 'result'; readonly result: VisitResult }
  | { readonly kind: 'failed'; readonly message: string };

/** `priority`: at which they run before everything else, where they may. */
export async function openGenerators(count: number, priority: number): Promise<Generators> {
  if (count > 1) return await Several.start(count, priority);
  const { runFirst } = await import('../../shared/sys/realtime.ts');
  let realtime: boolean | undefined;
  return {
    run(options) {
      if (options.realtime) realtime ??= runFirst(priority);
      return runVisits({ ...options, realtime: options.realtime === true && realtime === true });
    },
    close: async () => {},
  };
}

const program = fileURLToPath(new URL(`./generator-main${extname(import.meta.url)}`, import.meta.url));
/** From the order to the first visit: all of them must have it, and look the URLs up, before that. */
const HEAD_START_MS = 300;

class Several implements Generators {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  static async start(count: number, priority: number): Promise<Several> {
    const several = new Several(Array.from({ length: count }, () => fork(program, { stdio: 'inherit' })));
    try {
      await Promise.all(
        several.#children.map(
          (child) =>
            new Promise<void>((resolve, reject) => {
              const ended = () => reject(gone(child));
              child.once('exit', ended).once('message', () => {
                child.off('exit', ended);
                resolve();
              });
              child.send({ kind: 'priority', priority } satisfies Order);
            }),
        ),
      );
      return several;
    } catch (error) {
      await several.close();
      throw error;
    }
  }

  /** Fails as soon as one of them does; the others are told to stop, and have by then. */
  async run({ signal, onProgress, onVisit: _, slow, ...options }: VisitOptions): Promise<VisitResult> {
    const counts = this.#children.map(() => 0);
    const progress: (VisitProgress | undefined)[] = this.#children.map(() => undefined);
    const startAt = Math.max(options.startAt ?? 0, Date.now() + HEAD_START_MS);
    const stop = () => this.#tell({ kind: 'stop' });
    signal?.addEventListener('abort', stop, { once: true });
    const asked = this.#children.map((child, index) =>
      ask(
        child,
        {
          kind: 'run',
          options: { ...options, startAt, share: { index, of: this.#children.length } },
          ...(slow === undefined ? {} : { slowAfterMs: Number.isFinite(slow.afterMs) ? slow.afterMs : null }),
        },
        (answer) => {
          if (answer.kind === 'slow') {
            counts[index] = answer.count;
            slow?.onCount(counts.reduce((sum, each) => sum + each, 0));
          } else if (answer.kind === 'progress') {
            progress[index] = answer.progress;
            if (index === 0) onProgress?.(together(progress));
          }
        },
      ).catch((error: unknown) => {
        stop();
        throw error;
      }),
    );
    if (signal?.aborted) stop();
    const outcomes = await Promise.allSettled(asked);
    signal?.removeEventListener('abort', stop);
    return mergeResults(
      outcomes.map((outcome) => {
        if (outcome.status === 'rejected') throw outcome.reason;
        return outcome.value;
      }),
    );
  }

  #tell(order: Order): void {
    for (const child of this.#children) if (child.connected) child.send(order);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        if (child.connected) child.disconnect();
        // One that does not hear it is stopped, or hangs.
        const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
        await ended;
        clearTimeout(timer);
      }),
    );
  }
}

function ask(child: ChildProcess, order: Order, hear: (answer: Answer) => void): Promise<VisitResult> {
  return new Promise((resolve, reject) => {
    const over = () => void child.off('message', onMessage).off('exit', onExit);
    const onExit = () => {
      over();
      reject(gone(child));
    };
    const onMessage = (message: unknown) => {
      const answer = message as Answer;
      if (answer.kind === 'result') {
        over();
        resolve(answer.result);
      } else if (answer.kind === 'failed') {
        over();
        reject(new BatonError('USAGE', { problem: answer.message }));
      } else hear(answer);
    };
    child.on('message', onMessage).once('exit', onExit);
    if (child.exitCode !== null || child.signalCode !== null || !child.connected) return onExit();
    child.send(order);
  });
}

const gone = ({ exitCode, signalCode }: ChildProcess) =>
  new BatonError('LAB_FAILED', {
    problem: `one of the generators ended (${signalCode ?? `exit code ${exitCode}`}); its visits are lost, so there is no result`,
  });

function together(all: readonly (VisitProgress | undefined)[]): VisitProgress {
  const known = all.filter((each) => each !== undefined);
  const sum = (of: (each: VisitProgress) => number) => known.reduce((total, each) => total + of(each), 0);
  return {
    elapsedMs: Math.max(...known.map(({ elapsedMs }) => elapsedMs)),
    totalMs: Math.max(...known.map(({ totalMs }) => totalMs)),
    done: sum(({ done }) => done),
    failed: sum(({ failed }) => failed),
    inFlight: sum(({ inFlight }) => inFlight),
  };
}
