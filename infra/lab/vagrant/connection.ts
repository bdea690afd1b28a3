/** One ssh connection to a machine, which every command there shares. It ends with this process. */
import { join } from 'node:path';
import { launch } from '../../processes/launch.ts';
import { startDialogue } from '../dialogue.ts';
import type { Dialogue, HostRunOptions } from '../lab.ts';
import { runToEnd } from '../service.ts';
import type { SshConfig } from './machines.ts';

export interface Connection {
  readonly machine: string;
  /**
   * Runs a command there as root, to its end; its standard output. An abort ends it there and still waits for it. `name`
   * is what a message calls it when it fails.
   */
  run(command: readonly string[], name: string, options?: HostRunOptions): Promise<string>;
  /** A program there, as root, that ends when its input does. */
  converse(command: readonly string[], onLine: (line: string) => void): Dialogue;
  /** What rsync calls ssh with. */
  readonly ssh: readonly string[];
  close(): Promise<void>;
}

/** A local Unix socket that leads to one of the machine's. */
interface Forward {
  readonly local: string;
  readonly remote: string;
}

const GUEST = '/opt/baton/infra/vagrant/guest';
/** An emulated machine takes seconds for the handshake, and a minute when it shares its processor with twenty others. */
export const CONNECT_SECONDS = { patient: 180, asked: 30 } as const;

interface ConnectOptions {
  /** Private, and short, for the sockets that connections are shared by. */
  readonly directory: string;
  readonly seconds: number;
  readonly forward?: Forward | undefined;
}

export async function connect(
  config: SshConfig,
  machine: string,
  { directory, seconds, forward }: ConnectOptions,
): Promise<Connection> {
  const ssh = ['ssh', '-F', config.file, '-S', join(directory, `${machine}.ssh`)];
  const options = {
    ConnectTimeout: seconds,
    ServerAliveInterval: 15,
    ExitOnForwardFailure: 'yes',
    // Says that it is connected, in the words that a service is ready with.
    PermitLocalCommand: 'yes',
    LocalCommand: 'echo {}',
  };
  const master = launch(
    [
      ...ssh,
      '-M',
      ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      ...(forward ? ['-L', `${forward.local}:${forward.remote}`] : []),
      // Ends with its input, and so with this process, however that ends.
      ...[machine, 'cat >/dev/null'],
    ],
    { name: `the connection to ${machine}`, stdin: 'pipe' },
  );
  try {
    await master.readyLine(seconds * 1000);
  } catch (error) {
    await master.stop();
    throw error;
  }
  return {
    machine,
    ssh,
    run(command, name, options) {
      const remote = ['sudo', '-n', `${GUEST}/attached`, ...command].map(quote).join(' ');
      return runToEnd([...ssh, machine, remote], {
        ...options,
        endedBy: 'input',
        name: `${name} on ${machine}`,
      });
    },
    converse(command, onLine) {
      const remote = ['sudo', '-n', ...command].map(quote).join(' ');
      return startDialogue([...ssh, machine, remote], onLine);
    },
    async close() {
      await master.stop();
    },
  };
}

/** For the shell that sshd gives every command to. */
const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
