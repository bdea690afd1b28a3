/**
 * A server under node:cluster whose workers are replaced one after the other on SIGHUP, as process managers do it: a new one
 * listens before an old one is told to stop, which is killed when it does not end by itself. The primary stays.
 * Usage: node cluster-main.ts HOST
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { labApp } from '../../../delivery/lab-app.ts';
import { echoWebSockets } from '../../../delivery/lab-websockets.ts';
import { formatHostPort } from '../../../shared/units.ts';

const WORKERS = 2;
/** What pm2 grants by default, milliseconds. */
const KILL_AFTER_MS = 1600;

const host = process.argv[2]!;

if (cluster.isPrimary) {
  let port = 0;
  const start = async (): Promise<Worker> => {
    const worker = cluster.fork();
    ({ port } = (await once(worker, 'listening'))[0] as { port: number });
    return worker;
  };
  let workers: Worker[] = [];
  for (let i = 0; i < WORKERS; i++) workers.push(await start());
  let rolling = Promise.resolve();
  const roll = async (): Promise<void> => {
    const old = workers;
    workers = [];
    for (const worker of old) {
      workers.push(await start());
      worker.disconnect();
      setTimeout(() => worker.process.kill('SIGKILL'), KILL_AFTER_MS).unref();
    }
  };
  process.on('SIGHUP', () => {
    rolling = rolling.then(roll);
  });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
    process.exit(0);
  });
  console.log(JSON.stringify({ ready: 'cluster', listen: formatHostPort({ host, port }) }));
} else {
  const app = labApp('cluster');
  const server = createServer(app);
  echoWebSockets(server, app);
  // Workers of one primary get the same port for this, and its listener.
  server.listen({ host, port: 0, backlog: 4096 });
}
