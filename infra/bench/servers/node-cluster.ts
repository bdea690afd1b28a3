/**
 * A node:cluster server: the primary accepts and gives connections to its workers in turn, as it does for every Node
 * server that is started under it.
 *
 * Usage: node node-cluster.ts WORKERS fixed     workers without an HTTP parser, so that the load reaches the primary
 *        node node-cluster.ts WORKERS http      HTTP servers, as an application has them
 */
import cluster from 'node:cluster';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import app from './app.ts';

const answer =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n';

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const count = Number(process.argv[2]);
  const workers = Array.from({ length: count }, () => cluster.fork());
  let listening = 0;
  cluster.on('listening', (_, { port }) => {
    listening += 1;
    if (listening < count) return;
    const others = workers.map(({ process: { pid } }) => pid);
    const ready = { ready: 'node-cluster', listen: `127.0.0.1:${port}`, pid: process.pid, others };
    console.log(JSON.stringify(ready));
  });
  process.on('SIGTERM', () => {
    for (const worker of workers) worker.process.kill();
    cluster.once('exit', () => process.exit(0));
  });
} else {
  const fixed = () =>
    createServer((socket) => {
      socket.once('data', () => socket.end(answer));
      // A client that goes away early is the load generator's to count.
      socket.on('error', () => socket.destroy());
    });
  const server = process.argv[3] === 'http' ? createHttpServer(app) : fixed();
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 });
}
