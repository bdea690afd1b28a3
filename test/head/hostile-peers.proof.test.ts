/** What many thousand peers of the deliveries' socket leave behind in a head. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { countFds, startCluster } from '../support/cluster.ts';
import { sendGarbage } from '../support/garbage.ts';
import { visit } from '../support/load.ts';
import { until } from '../support/until.ts';

/** Resident memory of a process, MB. */
const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) / 1024;

test('after 20,000 peers that say anything a head has the memory and the fds that it had before', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1'], ['d1']);
  const { pid } = cluster.head;
  await sendGarbage(cluster.socket, 3000, 1);
  // Code that runs for the first time is compiled, which takes memory once.
  const [memory, fds] = [memoryOf(pid), await countFds(pid)];
  await sendGarbage(cluster.socket, 20_000, 2);
  await until(
    'the fds are back',
    () => countFds(pid),
    (count) => count <= fds + 2,
    60_000,
  );
  // V8 gives back what it has too much of when nothing has happened for a while.
  const after = await until(
    `${memory} MB are back`,
    () => memoryOf(pid),
    (now) => now < memory + 20,
    60_000,
  );
  t.log(`${memory.toFixed(0)} MB, ${after.toFixed(0)} MB`);
  t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
});
