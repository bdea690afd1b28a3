/** What request heads in many small packets cost, beside what they cost a Node server. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseHostPort } from '../../shared/units.ts';
import { startCluster } from '../support/cluster.ts';
import { failed, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';

/** CPU seconds of a process; the kernel counts in hundredths (proc(5), utime and stime). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * Sends `bytes` one-byte packets on each of `connections` heads that never end, to each address in turn; resolves when all
 * are sent.
 */
async function drip(addresses: readonly string[], connections: number, bytes: number): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: connections * addresses.length }, (_, i) => open(addresses[i % addresses.length]!)),
  );
  for (const socket of sockets) {
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nX: ');
  }
  for (let sent = 0; sent < bytes; sent++) {
    for (const socket of sockets) socket.write('y');
    // Once the kernel has them, the next go out as segments of their own (TCP_NODELAY).
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const socket of sockets) socket.destroy();
}

for (const mode of ['handoff', 'redirect'] as const) {
  test.serial(
    `${mode}: a head of one-byte packets costs the head at most what it costs a Node server`,
    async (t) => {
      const cluster = await startCluster(t, ['--mode', mode, '--head-timeout', '60s'], ['d1']);
      const { host, port } = parseHostPort(cluster.listen)!;
      t.truthy(host && port);
      const pids = [cluster.head.pid, cluster.deliveries[0]!.pid];
      const before = pids.map(cpuSeconds);
      // Both at once: how many bytes one wake-up finds depends on what else runs on the machine, for both alike.
      const dripping = drip([cluster.listen, cluster.deliveries[0]!.direct], 20, 6000);
      const visits = await visitSteadily(cluster.listen, '/', { count: 100, perSecond: 100 });
      t.deepEqual(failed(visits), []);
      await dripping;
      const [head, node] = pids.map((pid, i) => cpuSeconds(pid) - before[i]!) as [number, number];
      t.log(`CPU seconds: head ${head.toFixed(2)}, Node ${node.toFixed(2)}`);
      t.true(head < Math.max(2 * node, 0.5), `${head} s against ${node} s`);
    },
  );
}
