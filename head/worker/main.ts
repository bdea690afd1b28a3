/** The entry of a worker thread: an acceptor between the main thread's messages and the kernel. */
import { flushCompileCache } from 'node:module';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerSettings } from '../worker-messages.ts';
import { WorkerLoop } from './loop.ts';

const port = parentPort!;
const settings = workerData as WorkerSettings;
const remote = settings.mayMove ? await import('./remote.ts') : undefined;
remote?.rehearse();
if (settings.rehearsesVisits) (await import('./visits-rehearsal.ts')).rehearseVisits(settings, remote);
const mainThread = {
  // The thread never returns to an event loop, so messages are fetched, not delivered.
  receive: () => receiveMessageOnPort(port)?.message as ToWorker | undefined,
  tell: (message: FromWorker) => port.postMessage(message),
};
const acceptor = new WorkerLoop(settings, mainThread, remote);
// As the main thread does when it is ready (infra/cli/service.ts): a thread that is killed keeps nothing.
flushCompileCache();
acceptor.run();
