/** Heads that are replaced in a test, and their ends. */
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { getStatus } from '../../infra/admin-client.ts';
import { baton } from '../../infra/lab/service.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { until } from './until.ts';

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Whoever is the head at the test's end, and was not started by the cluster, ends with the test. */
export async function startReplaceable(
  t: ExecutionContext,
  args: string[] = ['--workers', '1'],
  names?: string[],
): Promise<Cluster> {
  const cluster = await startCluster(t, args, names);
  const { pid: first } = await cluster.status();
  t.teardown(async () => {
    const pid = await getStatus(cluster.admin).then(
      (status) => status.pid,
      () => first,
    );
    if (pid !== first) process.kill(pid, 'SIGKILL');
  });
  return cluster;
}

/** Resolves when a process has ended. */
export const gone = (pid: number) =>
  until(
    `process ${pid} ends`,
    () => isThere(pid),
    (there) => !there,
  );

/** Starts a successor by hand; resolves with its exit status once it has ended, or with undefined when it is the head. */
export async function takeOver(cluster: Cluster, ...args: string[]) {
  const child = execa(
    baton[0]!,
    [
      ...baton.slice(1),
      'head',
      '--take-over',
      '--listen',
      cluster.listen,
      '--socket',
      cluster.socket,
      ...args,
    ],
    { reject: false, stdout: 'ignore', stdin: 'ignore' },
  );
  const ended = child.then(({ exitCode, stderr }) => ({ exitCode, stderr }));
  const taken = until(
    'it is the head',
    () =>
      getStatus(cluster.admin).then(
        ({ pid }) => pid,
        () => 0,
      ),
    (pid) => pid === child.pid,
    30_000,
  );
  taken.catch(() => {});
  return { pid: child.pid!, ended, taken, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}
