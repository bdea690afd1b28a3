/**
 * Clients that send their request heads one byte a packet, as fast as they are asked to, in a process of their own.
 * Usage: node drip.ts HOST PORT CONNECTIONS PACKETS_A_SECOND SECONDS       Prints how many packets it sent.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { allocate } from '../../shared/sys/memory.ts';
import { write } from '../../shared/sys/sockets.ts';
import { open } from './raw-client.ts';

const [host, port, connections, rate, seconds] = process.argv.slice(2);
const packet = allocate(1);
packet.bytes.write('y');
const sockets = await Promise.all(Array.from({ length: Number(connections) }, () => open(`${host}:${port}`)));
const fds = sockets.map((socket) => {
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nX: ');
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
});
let sent = 0;
const began = performance.now();
for (let late = 0; late < Number(seconds) * 1000; late = performance.now() - began) {
  // Node would write several at once; each call of this kind is a segment (TCP_NODELAY).
  for (const due = (late * Number(rate)) / 1000; sent < due; sent++)
    write(fds[sent % fds.length]!, packet, 0, 1);
  await delay(1);
}
process.stdout.write(`${sent}\n`);
process.exit(0);
