/** Connections to the lab's machines, each with the way to its head's admin socket. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONNECT_SECONDS, type Connection, connect } from './connection.ts';
import { isHead, type SshConfig } from './machines.ts';

/** On a head, for the user that Vagrant logs in as. */
const ADMIN = '/run/baton-admin.sock';

/** Who uses connections closes them, also when one could not be opened. */
export class Connections {
  readonly #opened: Connection[] = [];
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<Connections> {
    // mkdtemp makes the directory 0700: only this user may reach the sockets in it.
    return new Connections(await mkdtemp(join(tmpdir(), 'baton-lab-')));
  }

  /** This machine's end of a head's admin socket; nothing is there unless there is a connection to it. */
  admin(machine: string): string {
    return join(this.#directory, `${machine}.admin.sock`);
  }

  async to(
    config: SshConfig,
    machine: string,
    seconds: number = CONNECT_SECONDS.patient,
  ): Promise<Connection> {
    const forward = isHead(machine) ? { local: this.admin(machine), remote: ADMIN } : undefined;
    const connection = await connect(config, machine, { directory: this.#directory, seconds, forward });
    this.#opened.push(connection);
    return connection;
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((connection) => connection.close()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
