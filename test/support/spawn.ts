/** A `baton` service as a child process whose end the test wants to see. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { baton } from '../../infra/lab/service.ts';
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
  const child = spawn(baton[0]!, [...baton.slice(1), ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([
    once(lines, 'line'),
    exited.then(([code]) => {
      throw new Error(`${args[0]} ended with ${code} before it was ready`);
    }),
  ])) as [string];
  return { pid: child.pid!, ready: JSON.parse(line), signal: (name) => void child.kill(name), exited };
}
