/** Networks of namespaces for tests: pristine, one a test, gone with it; and a process inside a host that does as told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { buildNetwork, type NetnsHost, type Network } from '../../infra/lab/netns/network.ts';
import { type Links, labTopology } from '../../infra/lab/netns/topology.ts';
import type { Scope } from './cluster.ts';
import type { Calls } from './host-agent.ts';
import { needing, type Tool } from './needs.ts';

type Declare = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

/** As `needing`, for tests that build networks: only root may. With CI set they run, and fail. */
export function asRoot(tools: readonly Tool[] = [], declare: Declare = test): Declare {
  if (process.getuid!() === 0 || process.env.CI !== undefined) return needing(['tc', ...tools], declare);
  return (title, body) => test.skip(`${title} (needs root: sudo npm test)`, body);
}

export async function startNetwork(t: Scope, deliveries: number, links?: Links): Promise<Network> {
  const network = await buildNetwork(labTopology(deliveries, links));
  t.teardown(network.remove);
  return network;
}

export type Agent = {
  [K in keyof Calls]: (...args: Parameters<Calls[K]>) => Promise<Awaited<ReturnType<Calls[K]>>>;
} & {
  /** As a crash does. */
  kill(): Promise<void>;
};

const agentFile = fileURLToPath(new URL('host-agent.ts', import.meta.url));

/** A process on a host of the network: each method of host-agent.ts can be called as if it were here. */
export function startAgent(t: Scope, host: NetnsHost): Agent {
  const child = spawn('ip', ['netns', 'exec', host.namespace, process.execPath, agentFile], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let calls = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, result, error } = JSON.parse(line);
    const waiter = waiting.get(id)!;
    waiting.delete(id);
    if (error) waiter.reject(Object.assign(new Error(error.message), error));
    else waiter.resolve(result);
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error(`the process on ${host.name} has ended`));
  });
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  t.teardown(kill);
  const call = (name: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      calls++;
      waiting.set(calls, { resolve, reject });
      child.stdin.write(`${JSON.stringify({ id: calls, name, args })}\n`);
    });
  return new Proxy({} as Agent, {
    get: (_, name: string) => (name === 'kill' ? kill : (...args: unknown[]) => call(name, args)),
  });
}
