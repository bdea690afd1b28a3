/**
 * A server over TLS, under a head and by itself, whose application throws where Node's servers call it for every second
 * connection. It handles `uncaughtException`.
 * Usage: node rude-tls-app.ts SOCKET WHAT FILES     WHAT: an event; FILES: JSON of { cert, key }
 * Prints its direct address; GET /count tells what it has seen.
 */
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { receiveConnections } from '../../delivery/index.ts';

const [, , head, what, pair] = process.argv as [string, string, string, string, string];

let uncaught = 0;
process.on('uncaughtException', () => uncaught++);

const server = createSecureServer({ ...JSON.parse(pair), allowHTTP1: true }, (request, response) => {
  const { connections } = receiver;
  response.end(request.url === '/count' ? JSON.stringify({ uncaught, connections }) : 'hello');
});
let came = 0;
const listener = () => {
  if (came++ % 2 === 0) throw new Error(what);
};
const [when, event] = what.split(' ') as ['before' | 'after', string];
if (when === 'before') server.prependListener(event, listener);
else server.on(event, listener);

const receiver = receiveConnections(server.listen(0, '127.0.0.1'), { name: 'rude', head });
await receiver.ready;
console.log(JSON.stringify({ direct: `127.0.0.1:${(server.address() as AddressInfo).port}` }));
process.on('SIGTERM', () => process.exit());
