/** What tests of a keeper do with it, its heads and their addresses. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import type { ExecutionContext } from 'ava';
import { getStatus } from '../../infra/admin-client.ts';
import { parseHostPort } from '../../shared/units.ts';
import type { KeptHead } from './keeper.ts';
import { spawnBaton } from './spawn.ts';
import { until } from './until.ts';

export const addDelivery = (t: ExecutionContext, kept: KeptHead, name: string) =>
  spawnBaton(t, 'delivery', '--name', name, '--head', kept.socket);

export const kill = (pid: number, signal: NodeJS.Signals = 'SIGKILL'): void => void process.kill(pid, signal);

export const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** Whether anybody listens there. */
export function isRefused(address: string): Promise<boolean> {
  const { host, port } = parseHostPort(address)!;
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      resolve(false);
      socket.destroy();
    });
    socket.on('error', () => resolve(true));
  });
}

/** Half a request is under inspection. */
export const untilHeld = (admin: string) =>
  until(
    'it is held',
    () => getStatus(admin),
    ({ open }) => open === 1,
  );

export const untilLogged = (kept: Pick<KeptHead, 'log'>, what: string, words: string) =>
  until(
    what,
    () => kept.log(),
    (log) => log.includes(words),
  );

/** The folder of its socket. */
export const foldersOf = ({ pid }: KeptHead): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`baton-keeper-${pid}-`));

/** The only child that a keeper has (proc_pid_task(5), children). */
export function childOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return child ? Number(child) : undefined;
  } catch {
    return undefined;
  }
}
