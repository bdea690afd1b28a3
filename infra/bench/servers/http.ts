/**
 * A Node server that accepts its connections itself. Others may listen at the same address (SO_REUSEPORT).
 * Usage: node http.ts PORT APP [CERTIFICATE KEY]     0: one that the kernel picks; APP: a module whose default export listens to
 *                                                    requests; with the two files it speaks TLS
 */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';

const [port, file, certificate, key] = process.argv.slice(2);
const { default: app } = (await import(pathToFileURL(file!).href)) as { default: RequestListener };
const server =
  key === undefined
    ? createServer(app)
    : createSecureServer({ cert: readFileSync(certificate!), key: readFileSync(key) }, app);
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 4096, reusePort: true }, () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ ready: 'http', listen: `127.0.0.1:${port}`, pid: process.pid }));
});
