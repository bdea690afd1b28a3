/** The entry of a worker thread: an acceptor between the main thread's messages and the kernel. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerSettings } from '../worker-messages.ts';
import { WorkerLoop } from './loop.ts';

const port = parentPort!;
const acceptor = new WorkerLoop(
  workerData as WorkerSettings,
  // The thread never returns to an event loop, so messages are fetched, not delivered.
  () => receiveMessageOnPort(port)?.message as ToWorker | undefined,
  (message: FromWorker) => port.postMessage(message),
);
acceptor.run();
