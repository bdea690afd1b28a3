/** The worker threads of a head, as the main thread sees them. */
import { Worker } from 'node:worker_threads';
import { closeFd } from '../shared/sys/sockets.ts';
import { createWake, wake } from '../shared/sys/wake.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker-messages.ts';

// Built, the worker is a .js file as this one is.
const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

export interface WorkerThread {
  tell(message: ToWorker): void;
  /** Resolves when the thread has ended; rejects with what it threw. */
  readonly ended: Promise<void>;
}

/** Starts a worker and waits until it listens. */
export async function startWorker(
  settings: Omit<WorkerSettings, 'wake'>,
  onMessage: (message: FromWorker) => void,
): Promise<WorkerThread> {
  const eventFd = createWake();
  const workerData: WorkerSettings = { ...settings, wake: eventFd };
  const thread = new Worker(entry, { workerData, name: `acceptor ${settings.index}` });
  let running = true;
  const ended = new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.once('exit', () => {
      running = false;
      closeFd(eventFd);
      resolve();
    });
  });
  const listening = new Promise<void>((resolve) => {
    thread.on('message', (message: FromWorker) => {
      if (message.type === 'listening') resolve();
      else onMessage(message);
    });
  });
  await Promise.race([listening, ended]);
  return {
    tell(message) {
      if (!running) return;
      thread.postMessage(message);
      wake(eventFd);
    },
    ended,
  };
}
