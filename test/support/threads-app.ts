/**
 * A server in a worker thread that is a delivery, in a process whose main thread loads nothing of Baton. The thread is begun
 * and ended over and over. Its application throws for /boom, which nobody handles.
 * Usage: node threads-app.ts SOCKET HOW ROUNDS     HOW: terminate, exit (of the thread), throw, process-exit, boom
 * Prints what it has open after each round, and ends with code 0; process-exit: with 5.
 */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const [, , head, how, rounds] = process.argv;

const code = `
  const { createServer } = require('node:http');
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.delivery).then(async ({ receiveConnections }) => {
    const server = createServer((request, response) => {
      if (request.url === '/boom') throw new Error('boom');
      response.end('hello');
    });
    const receiver = receiveConnections(server, { name: 'thread', head: workerData.head });
    parentPort.once('message', (how) => {
      if (how === 'exit') process.exit(7);
      throw new Error('thrown');
    });
    await receiver.ready;
    parentPort.postMessage('ready');
  });`;
const delivery = new URL('../../delivery/index.ts', import.meta.url).href;

for (let round = 0; round < Number(rounds); round++) {
  const env = { ...process.env, BATON_LOG: 'silent' };
  const worker = new Worker(code, { eval: true, env, workerData: { delivery, head } });
  worker.on('error', () => {});
  await once(worker, 'message');
  // `once` would reject with what the thread has thrown.
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  if (how === 'boom') process.stdout.write('{"ready":"thread"}\n');
  if (how === 'process-exit') process.exit(5);
  if (how === 'terminate') await worker.terminate();
  else if (how !== 'boom') worker.postMessage(how);
  await exited;
  process.stdout.write(`{"open":${readdirSync('/proc/self/fd').length}}\n`);
}
