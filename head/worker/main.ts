/** The entry of a worker thread: an acceptor between the main thread's messages and the kernel. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { rehearseWorker } from '../migrate/warm-up.ts';
import type { FromWorker, ToWorker, WorkerSettings } from '../worker-messages.ts';
import { WorkerLoop } from './loop.ts';
import { rehearseOwnMoves } from './rehearsal.ts';
import { rehearseVisits } from './visits-rehearsal.ts';

const port = parentPort!;
const settings = workerData as WorkerSettings;
if (settings.mayMove) {
  rehearseWorker();
  rehearseOwnMoves();
}
if (settings.rehearsesVisits) rehearseVisits(settings);
const acceptor = new WorkerLoop(
  settings,
  // The thread never returns to an event loop, so messages are fetched, not delivered.
  () => receiveMessageOnPort(port)?.message as ToWorker | undefined,
  (message: FromWorker) => port.postMessage(message),
);
acceptor.run();
