/** What heads that come in many small packets cost the head's process, beside what they cost a Node server. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { parseHostPort } from '../../shared/units.ts';
import { startCluster } from '../support/cluster.ts';
import { failed, visitSteadily } from '../support/load.ts';

/** CPU seconds of a process; the kernel counts in hundredths (proc(5), utime and stime). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const run = promisify(execFile);

/** One-byte packets on `connections` heads that never end; resolves with their number after `seconds`. */
async function drip(address: string, connections: number, rate: number, seconds: number): Promise<number> {
  const { host, port } = parseHostPort(address)!;
  const script = fileURLToPath(new URL('../support/drip.ts', import.meta.url));
  const args = [script, host, String(port), String(connections), String(rate), String(seconds)];
  const { stdout } = await run(process.execPath, args);
  return Number(stdout);
}

for (const mode of ['handoff', 'redirect'] as const) {
  test.serial(
    `${mode}: a head of one-byte packets costs the head at most what it costs a Node server`,
    async (t) => {
      const cluster = await startCluster(t, ['--mode', mode, '--head-timeout', '60s'], ['d1']);
      const visiting = visitSteadily(cluster.listen, '/', { count: 400, perSecond: 100 });
      // At the same time: what counts is each one's own CPU.
      const costs = [
        [cluster.listen, cluster.head],
        [cluster.deliveries[0]!.direct, cluster.deliveries[0]!],
      ] as const;
      const [head, node] = (await Promise.all(
        costs.map(async ([address, { pid }]) => {
          const before = cpuSeconds(pid);
          // What lies in a socket must not be gone through again for each packet, and so must grow long enough to show that.
          const packets = await drip(address, 20, 30_000, 4);
          return ((cpuSeconds(pid) - before) / packets) * 1e6;
        }),
      )) as [number, number];
      t.deepEqual(failed(await visiting), []);
      t.log(`CPU of a packet: head ${head.toFixed(1)} us, Node ${node.toFixed(1)} us`);
      t.true(head < Math.max(2 * node, 4), `${head} us against ${node} us`);
    },
  );
}
