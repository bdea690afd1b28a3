/**
 * A Node server that accepts its connections itself. Others may listen at the same address (SO_REUSEPORT).
 * Usage: node http.ts PORT APP     0: one that the kernel picks; APP: a module whose default export listens to requests
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';

const port = Number(process.argv[2]);
const { default: app } = (await import(pathToFileURL(process.argv[3]!).href)) as { default: RequestListener };
const server = createServer(app);
server.listen({ host: '127.0.0.1', port, backlog: 4096, reusePort: true }, () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ ready: 'http', listen: `127.0.0.1:${port}`, pid: process.pid }));
});
