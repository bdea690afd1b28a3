/** Connections to the lab's machines, and the hosts that they are. */
import { BatonError } from '../../../shared/errors.ts';
import { Connections } from './connections.ts';
import { createHost, type VagrantHost } from './host.ts';
import { isHead, readSshConfig } from './machines.ts';
import { syncSources } from './sync.ts';

export interface VagrantHosts {
  readonly client: VagrantHost;
  readonly head: VagrantHost;
  /** Of two heads the second, which has no part in experiments that have one. */
  readonly spare: VagrantHost | undefined;
  /** d1, d2, ... */
  readonly deliveries: readonly VagrantHost[];
  readonly all: readonly VagrantHost[];
  close(): Promise<void>;
}

/**
 * All machines that run, among them the client, the head, and as many deliveries as are needed. They have the sources that
 * are checked out here; services that run go on with what they were started with.
 */
export async function openHosts(deliveries = 1, heads: 1 | 2 = 1): Promise<VagrantHosts> {
  const config = await readSshConfig();
  const known = config.machines.filter((name) => /^delivery\d+$/.test(name));
  const needed = ['client', ...(heads > 1 ? ['head', 'head2'] : ['head'])];
  if (!needed.every((name) => config.machines.includes(name)) || known.length < deliveries) {
    const problem = `${needed.join(', ')} and ${deliveries} deliveries are needed, and what runs is ${config.machines.join(', ')}`;
    const fix = `BATON_DELIVERIES=${Math.max(2, deliveries)} ${heads > 1 ? 'BATON_HEADS=2 ' : ''}baton lab up --on vagrant`;
    throw new BatonError('LAB_FAILED', { problem: `${problem}; run: ${fix}` });
  }
  const spares = config.machines.filter((name) => name === 'head2');
  const machines = ['client', 'head', ...spares, ...known];
  const connections = await Connections.open();
  try {
    // All of them, also when one fails: what is still connecting could not be closed.
    const outcomes = await Promise.allSettled(
      machines.map(async (machine) => {
        const connection = await connections.to(config, machine);
        await syncSources(connection);
        return createHost(connection, isHead(machine) ? connections.admin(machine) : undefined);
      }),
    );
    const all = outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    const [client, head, ...rest] = all;
    const [spare] = rest.splice(0, spares.length);
    return { client: client!, head: head!, spare, deliveries: rest, all, close: () => connections.close() };
  } catch (error) {
    await connections.close();
    throw error;
  }
}

/** The services that every boot starts run again, the head's first. Settles when they are ready. */
export async function restoreServices({ client, head, spare, deliveries }: VagrantHosts): Promise<void> {
  const first = [head, client, ...(spare ? [spare] : [])];
  await Promise.all(first.map((host) => host.services('restore')));
  await Promise.all(deliveries.map((host) => host.services('restore')));
}

/** keepalived's own start, its checks' first answers and three adverts, on an emulated machine; milliseconds. */
const SETTLED_WITHIN_MS = 180_000;

/** For one of two heads to have the address; the ways to them are the pause. Throws LAB_FAILED. */
export async function untilOneHasIt(heads: readonly VagrantHost[]): Promise<VagrantHost> {
  const until = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const has = await Promise.all(heads.map((head) => head.hasAddress()));
    if (has.filter(Boolean).length === 1) return heads[has.indexOf(true)]!;
    if (performance.now() < until) continue;
    const problem = `keepalived has given the shared address to ${has.includes(true) ? 'both heads' : 'neither head'}; its words: vagrant ssh head -c 'sudo journalctl -u keepalived -n 50'`;
    throw new BatonError('LAB_FAILED', { problem });
  }
}
