/** Vagrant itself: the machines of the checkout's Vagrantfile, and how ssh reaches them. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { BatonError } from '../../../shared/errors.ts';

/** The folder that has the Vagrantfile: that of a checkout. */
export const project = fileURLToPath(new URL('../../..', import.meta.url));

/** What `vagrant ssh-config` said last; asking takes seconds, and it is the same until machines are made anew. */
const sshConfigFile = join(project, '.vagrant', 'baton', 'ssh-config');

/** Runs it and shows what it says. */
export async function vagrant(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  needCheckout();
  const { failed, code, exitCode } = await execa('vagrant', args, {
    cwd: project,
    env,
    reject: false,
    stdin: 'ignore',
    stdout: process.stderr,
    stderr: process.stderr,
  });
  if (code === 'ENOENT') throw missing();
  if (failed) {
    const problem = `vagrant ${args.join(' ')} failed (exit code ${exitCode ?? '?'}); it has said why above`;
    throw new BatonError('LAB_FAILED', { problem });
  }
}

/** Of two heads the second is `head2`. */
export const isHead = (machine: string): boolean => /^head2?$/.test(machine);

export interface SshConfig {
  /** For `ssh -F`. */
  readonly file: string;
  /** The machines that run: `client`, `head`, `delivery1`, ... */
  readonly machines: readonly string[];
}

/** Asks Vagrant, or with `known` answers what it said last time, if it did. */
export async function readSshConfig(known = false): Promise<SshConfig> {
  needCheckout();
  if (known && existsSync(sshConfigFile)) {
    const said = parse(readFileSync(sshConfigFile, 'utf8'));
    // A head that was made since is to be asked as well.
    if (madeHeads().every((name) => said.machines.includes(name))) return said;
  }
  const { code, stdout } = await execa('vagrant', ['ssh-config'], { cwd: project, reject: false });
  if (code === 'ENOENT') throw missing();
  // It fails when one of the machines does not run, and lists the others all the same.
  const config = parse(stdout);
  if (!config.machines.some(isHead)) throw notUp();
  await mkdir(join(project, '.vagrant', 'baton'), { recursive: true, mode: 0o700 });
  await writeFile(sshConfigFile, stdout);
  return config;
}

const madeHeads = (): string[] =>
  globSync('.vagrant/machines/head*/*/id', { cwd: project }).map((path) => path.split(sep)[2]!);

/** The machines that it tells of are gone. */
export const forgetSshConfig = (): Promise<void> => rm(sshConfigFile, { force: true });

const parse = (text: string): SshConfig => ({
  file: sshConfigFile,
  machines: [...text.matchAll(/^Host (\S+)$/gm)].map(([, name]) => name!),
});

export const notUp = (cause?: unknown): BatonError =>
  new BatonError(
    'LAB_FAILED',
    { problem: 'the Vagrant lab is not up; start it with: baton lab up --on vagrant' },
    cause,
  );

const missing = () =>
  new BatonError('MISSING_TOOL', {
    tool: 'vagrant',
    fix: 'sudo apt-get install vagrant vagrant-libvirt, or see docs/vagrant-lab.md',
  });

function needCheckout(): void {
  if (existsSync(join(project, 'Vagrantfile'))) return;
  throw new BatonError('LAB_FAILED', {
    problem: 'the Vagrant lab takes a checkout of Baton; this is a package',
  });
}
