/** A lab of namespaces for one test file, which visits it from its client; gone after the file's tests. */
import './traced.ts';

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { getMetrics } from '../../infra/admin-client.ts';
import type { LabOptions } from '../../infra/lab/lab.ts';
import { type NetnsLab, startNetnsLab } from '../../infra/lab/netns.ts';
import type { HeadStatus } from '../../shared/status.ts';
import { enterNamespace } from './enter-namespace.ts';
import { until } from './until.ts';

export interface LabForTests extends NetnsLab {
  readonly secret: Buffer;
  /** Open files of each process when it had just started, by pid. */
  readonly files: ReadonlyMap<number, number>;
  /** Of the head, for deliveries of other hosts. */
  readonly control: string;
  /** From now on this file's sockets and processes are on that host. */
  enter(host: string): void;
  /** Waits until the head's status is as it should be. */
  untilStatus(what: string, condition: (status: HeadStatus) => boolean): Promise<HeadStatus>;
  /** The value of a metric, labels included in the name as Prometheus writes them. */
  metric(name: string): Promise<number>;
}

/** Starts it, with this file on its client; `stop` it, or let `stopAll` do so. */
export async function startTestLab(options: Partial<LabOptions>): Promise<LabForTests> {
  const lab = await startNetnsLab({ mode: 'handoff', deliveries: 2, ...options });
  started.add(lab);
  const enter = (host: string) => enterNamespace(lab.network.host(host).namespace);
  enter('client');
  const { migration } = await lab.head.status();
  return Object.assign(lab, {
    secret: readFileSync(join(lab.network.directory, 'secret')),
    control: migration!.control,
    files: new Map(pidsOf(lab).map((pid) => [pid, openFiles(pid)])),
    enter,
    untilStatus: (what: string, condition: (status: HeadStatus) => boolean) =>
      until(what, () => lab.head.status(), condition),
    async metric(name: string) {
      const text = await getMetrics(join(lab.network.directory, 'head.admin.sock'));
      const line = text.split('\n').find((one) => one.startsWith(`${name} `));
      if (line === undefined) throw new Error(`no metric ${name}`);
      return Number(line.slice(name.length + 1));
    },
  });
}

const pidsOf = ({ head, deliveries }: NetnsLab): number[] => [head, ...deliveries].map(({ pid }) => pid);
/** None when it has ended. */
const openFiles = (pid: number): number => {
  const folder = `/proc/${pid}/fd`;
  return existsSync(folder) ? readdirSync(folder).length : 0;
};

const started = new Set<NetnsLab>();

/** All that the file's tests started, also when they failed. */
test.after.always('no lab is left', async () => {
  await Promise.all([...started].map((lab) => lab.stop()));
});

/** What a process opens once when it first needs it, and keeps: the socket through which it asks the kernel, the link of a program. */
const OPENED_ONCE = 6;

/** No connection lives elsewhere any more, nothing is on its way, and no process has files of connections open. */
export async function untilNothingIsLeft(lab: LabForTests): Promise<HeadStatus> {
  const status = await lab.untilStatus(
    'no flow and no connection is left',
    ({ migration, open, deliveries }) =>
      open === 0 &&
      migration!.flows.count === 0 &&
      migration!.moving === 0 &&
      deliveries.every(({ state, inUse }) => state === 'down' || inUse === 0),
  );
  // Those that were started later have no count to compare with.
  for (const pid of pidsOf(lab).filter((pid) => lab.files.has(pid))) {
    await until(
      `process ${pid} has hardly more files open than at its start`,
      () => openFiles(pid) - lab.files.get(pid)!,
      (more) => more <= OPENED_ONCE,
    );
  }
  return status;
}
