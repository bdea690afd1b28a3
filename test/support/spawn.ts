/** A `baton` service as a child process whose end the test wants to see. */
import { baton, READY_WITHIN_MS } from '../../infra/lab/service.ts';
import { launch } from '../../infra/processes/launch.ts';
import type { Scope } from './cluster.ts';

export interface Spawned {
  readonly pid: number;
  readonly ready: Readonly<Record<string, unknown>>;
  signal(name: NodeJS.Signals): void;
  /** Exit code and signal. */
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
}

/** Resolves when it has said that it is ready. It is killed when the test ends, if it still runs. */
export async function spawnBaton(t: Scope, ...args: string[]): Promise<Spawned> {
  const { child, ended, readyLine } = launch([...baton, ...args], { name: `baton ${args[0]}` });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    ready: await readyLine(READY_WITHIN_MS),
    pid: child.pid!,
    signal: (name) => void child.kill(name),
    exited: ended.then(({ exitCode, signal }) => [exitCode ?? null, signal ?? null]),
  };
}
