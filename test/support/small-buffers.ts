/**
 * Run in a network namespace of its own (unshare -n), whose sockets receive at most 4 kB at once: sends heads of several
 * sizes to a head and to its delivery's direct address, and prints the status of each answer.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { startCluster } from './cluster.ts';
import { send } from './raw-client.ts';

execFileSync('ip', ['link', 'set', 'lo', 'up']);
writeFileSync('/proc/sys/net/ipv4/tcp_rmem', '2304 4096 4096');
const undo: (() => Promise<void>)[] = [];
try {
  const cluster = await startCluster({ teardown: (step) => void undo.push(step) }, [], ['d1']);
  const statuses: number[] = [];
  for (const length of [1000, 6000, 15_000]) {
    const request = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ${'y'.repeat(length)}\r\n\r\n`;
    for (const address of [cluster.listen, cluster.deliveries[0]!.direct]) {
      statuses.push((await send(address, request)).status);
    }
  }
  process.stdout.write(statuses.join(' '));
} finally {
  for (const step of undo) await step();
}
