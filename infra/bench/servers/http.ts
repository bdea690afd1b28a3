/**
 * A Node server that accepts its connections itself. Others may listen at the same address (SO_REUSEPORT).
 * Usage: node http.ts PORT     0: one that the kernel picks
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import app from './app.ts';

const server = createServer(app);
const port = Number(process.argv[2]);
server.listen({ host: '127.0.0.1', port, backlog: 4096, reusePort: true }, () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ ready: 'http', listen: `127.0.0.1:${port}`, pid: process.pid }));
});
