/**
 * A server under a head whose application holds every file that its process may open, until /dev/stdin ends.
 * Usage: node hog-app.ts SOCKET
 */
import { closeSync, openSync } from 'node:fs';
import { receiveConnections } from '../../delivery/index.ts';
import { createServer } from '../../shared/node-http.ts';

const server = createServer((_request, response) => response.end('hog'));
const receiver = receiveConnections(server, { name: 'hog', head: process.argv[2]! });
await receiver.ready;
process.stdin.resume().once('end', () => {
  for (const fd of held) closeSync(fd);
});
const held: number[] = [];
try {
  for (;;) held.push(openSync('/dev/null', 'r'));
} catch {
  console.log(JSON.stringify({ ready: receiver.name }));
}
