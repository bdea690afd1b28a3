/** A real head and real deliveries as child processes, on loopback and in a directory of their own; gone after the test. */
import './traced.ts';

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { getMetrics, getStatus, setDrain, setMode } from '../../infra/admin-client.ts';
import type { Service } from '../../infra/lab/lab.ts';
import { baton, startService } from '../../infra/lab/service.ts';
import type { HeadStatus, Mode } from '../../shared/status.ts';
import { until } from './until.ts';

/** Milliseconds; else it is killed. */
const HEAD_ENDS_WITHIN_MS = 500;

interface TestDelivery extends Service {
  readonly name: string;
  readonly direct: string;
}

export interface Cluster {
  readonly directory: string;
  readonly socket: string;
  readonly admin: string;
  /** HOST:PORT of the head. */
  readonly listen: string;
  readonly head: Service;
  readonly deliveries: readonly TestDelivery[];
  status(): Promise<HeadStatus>;
  /** The value of a metric, labels included in the name as Prometheus writes them. */
  metric(name: string): Promise<number>;
  setMode(mode: Mode): Promise<void>;
  drain(name: string, on: boolean): Promise<void>;
  addDelivery(name: string, ...args: string[]): Promise<TestDelivery>;
  /** Starts a head again at the same address. */
  restartHead(...args: string[]): Promise<void>;
  /** Waits until the head's status is as it should be. */
  untilStatus(what: string, condition: (status: HeadStatus) => boolean): Promise<HeadStatus>;
}

/** A test's own context is one. */
export interface Scope {
  teardown(undo: () => Promise<void>): void;
}

/** Starts a head with `headArgs` and deliveries called `names`; all ends with the scope. */
export async function startCluster(
  t: Scope,
  headArgs: readonly string[] = [],
  names: readonly string[] = ['d1', 'd2'],
): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  const socket = join(directory, 'head.sock');
  const services = new Set<Service>();
  const deliveries: TestDelivery[] = [];
  let head: Service | undefined;
  t.teardown(async () => {
    // How they stop is for tests of that: a delivery would wait for clients of its direct address. A head that holds nothing
    // ends at once, and its trace says whether its accounts are even.
    await Promise.all(deliveries.map((delivery) => delivery.kill()));
    await Promise.race([head?.stop(), delay(HEAD_ENDS_WITHIN_MS)]);
    await Promise.all([...services].map((service) => service.kill()));
    await rm(directory, { recursive: true, force: true });
  });
  async function start(...args: string[]): Promise<Service> {
    const service = await startService([...baton, ...args]);
    services.add(service);
    return service;
  }
  const startHead = (listen: string, args: readonly string[]) =>
    start('head', '--listen', listen, '--socket', socket, ...args);

  head = await startHead('127.0.0.1:0', headArgs);
  const listen = String(head.ready.listen);
  const admin = String(head.ready.admin);
  const cluster: Cluster = {
    directory,
    socket,
    admin,
    listen,
    get head() {
      return head!;
    },
    deliveries,
    status: () => getStatus(admin),
    async metric(name) {
      const line = (await getMetrics(admin)).split('\n').find((text) => text.startsWith(`${name} `));
      if (line === undefined) throw new Error(`no metric ${name}`);
      return Number(line.slice(name.length + 1));
    },
    setMode: (mode) => setMode(admin, mode),
    drain: (name, on) => setDrain(admin, name, on),
    async addDelivery(name, ...args) {
      const service = await start('delivery', '--name', name, '--head', socket, ...args);
      const delivery = { ...service, name, direct: String(service.ready.direct) };
      deliveries.push(delivery);
      return delivery;
    },
    async restartHead(...args) {
      head = await startHead(listen, [...headArgs, ...args]);
    },
    untilStatus: (what, condition) => until(what, () => getStatus(admin), condition),
  };
  for (const name of names) await cluster.addDelivery(name);
  return cluster;
}

/** Open files of a process. */
export const countFds = async (pid: number): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;
