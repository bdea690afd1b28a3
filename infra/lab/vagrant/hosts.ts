/** Connections to the lab's machines, and the hosts that they are. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatonError } from '../../../shared/errors.ts';
import { type Connection, connect } from './connection.ts';
import { createHost, type VagrantHost } from './host.ts';
import { notUp, readSshConfig, type SshConfig } from './machines.ts';
import { syncSources } from './sync.ts';

/** On the head, for the user that Vagrant logs in as. */
const ADMIN = '/run/baton-admin.sock';

/** Who uses connections closes them, also when one could not be opened. */
class Connections {
  readonly #opened: Connection[] = [];
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<Connections> {
    // mkdtemp makes the directory 0700: only this user may reach the sockets in it.
    return new Connections(await mkdtemp(join(tmpdir(), 'baton-lab-')));
  }

  /** This machine's end of the head's admin socket. */
  get admin(): string {
    return join(this.#directory, 'admin.sock');
  }

  async to(config: SshConfig, machine: string): Promise<Connection> {
    const forward = machine === 'head' ? { local: this.admin, remote: ADMIN } : undefined;
    const connection = await connect(config, machine, this.#directory, forward);
    this.#opened.push(connection);
    return connection;
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((connection) => connection.close()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export interface VagrantHosts {
  readonly client: VagrantHost;
  readonly head: VagrantHost;
  /** Of two heads the second, which has no part in experiments. */
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
export async function openHosts(deliveries = 1): Promise<VagrantHosts> {
  const config = await readSshConfig();
  const known = config.machines.filter((name) => /^delivery\d+$/.test(name));
  if (!config.machines.includes('client') || known.length < deliveries) {
    const problem = `client, head and ${deliveries} deliveries are needed, and what runs is ${config.machines.join(', ')}`;
    const fix = `BATON_DELIVERIES=${Math.max(2, deliveries)} baton lab up --on vagrant`;
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
        return createHost(connection, machine === 'head' ? connections.admin : undefined);
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

/** Lets `use` talk to the admin interface of the lab's head, at a socket on this machine. */
export async function withVagrantHead<T>(use: (admin: string) => Promise<T>): Promise<T> {
  const connections = await Connections.open();
  const interrupt = (signal: NodeJS.Signals) =>
    void connections.close().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    // What Vagrant said last still holds most of the time, and saves seconds.
    await connections
      .to(await readSshConfig(true), 'head')
      .catch(async () => connections.to(await readSshConfig(), 'head'))
      .catch((error: unknown) => {
        throw error instanceof BatonError && error.code === 'MISSING_TOOL' ? error : notUp(error);
      });
    return await use(connections.admin);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    await connections.close();
  }
}
