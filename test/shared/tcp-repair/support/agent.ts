/** A process in a network namespace whose functions a test calls: arguments and answers travel over Node's IPC. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

type AnyFunction = (...args: never[]) => unknown;

/** The agent's functions as a test sees them: each returns a promise. */
export type Agent<T> = {
  readonly [K in keyof T]: T[K] extends AnyFunction
    ? (...args: Parameters<T[K]>) => Promise<Awaited<ReturnType<T[K]>>>
    : never;
} & { stop(): Promise<void>; readonly pid: number };

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: unknown[];
}
type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };

const ANSWER_WITHIN_MS = 30_000;
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** `before`: a command that runs the agent, as setpriv does. */
export async function startAgent<T>(
  namespace: string,
  script: string,
  before: readonly string[] = [],
): Promise<Agent<T>> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const command = ['netns', 'exec', namespace, ...before, process.execPath, path];
  const child = spawn('ip', command, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  children.add(child);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 0;
  child.on('message', (answer: Answer) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) call?.resolve(answer.value);
    else call?.reject(new Error(answer.error));
  });
  const exited = once(child, 'exit').then(() => {
    children.delete(child);
    for (const { reject } of waiting.values()) reject(new Error(`${script} has ended`));
  });
  const call = (name: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      const id = next++;
      const bound = setTimeout(() => reject(new Error(`no answer from ${name}(${args})`)), ANSWER_WITHIN_MS);
      waiting.set(id, {
        resolve(value) {
          clearTimeout(bound);
          resolve(value);
        },
        reject(error) {
          clearTimeout(bound);
          reject(error);
        },
      });
      child.send({ id, name, args } satisfies Call);
    });
  const own = {
    pid: child.pid,
    async stop() {
      // What is still asked of it no test waits for.
      waiting.clear();
      child.kill('SIGKILL');
      await exited;
    },
  };
  const agent = new Proxy(own, {
    get(target, name: string) {
      if (name in target) return target[name as keyof typeof own];
      // Not a promise, though it answers to any name.
      if (name === 'then') return undefined;
      return (...args: unknown[]) => call(name, args);
    },
  });
  await (agent as unknown as Agent<{ ping(): void }>).ping();
  return agent as unknown as Agent<T>;
}

/** In the agent: answers calls of these functions until the test's process is gone. */
export function serveCalls(methods: Readonly<Record<string, AnyFunction>>): void {
  // It may be killed, and the next one would have to compile all of it again.
  flushCompileCache();
  process.on('message', async ({ id, name, args }: Call) => {
    try {
      if (name === 'ping') return void process.send!({ id });
      const value = await methods[name]!(...(args as never[]));
      process.send!({ id, value });
    } catch (error) {
      process.send!({ id, error: (error as Error).stack ?? String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}
