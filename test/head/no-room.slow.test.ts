/** A head without fds for its deliveries, one with far too many, and folders in which no socket can be made. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { getStatus } from '../../infra/admin-client.ts';
import { baton } from '../../infra/lab/service.ts';
import type { SystemError } from '../../shared/sys/libc.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { connectSeqpacket } from '../../shared/sys/unix-sockets.ts';
import { countFds } from '../support/cluster.ts';
import { visit } from '../support/load.ts';
import { needing } from '../support/needs.ts';
import { asRoot } from '../support/netns.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-no-room-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A head whose log the test reads; `before` is a command that runs it. */
async function startHead(t: ExecutionContext, socket: string, ...before: string[]) {
  const args = [...baton, 'head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '1'];
  const [program, ...rest] = [...before, ...args];
  const head = execa(program!, rest, { reject: false });
  t.teardown(async () => {
    head.kill('SIGKILL');
    await head;
  });
  let log = '';
  head.stderr.on('data', (part: Buffer) => {
    log += part.toString();
  });
  const line = await new Promise<string>((resolve, reject) => {
    head.stdout.once('data', (part: Buffer) => resolve(part.toString()));
    void head.then(({ stderr }) => reject(new Error(stderr)));
  });
  const ready = JSON.parse(line) as { listen: string; admin: string; pid: number };
  return { ...ready, log: () => log };
}

async function startDelivery(t: ExecutionContext, socket: string): Promise<void> {
  const delivery = execa(baton[0]!, [...baton.slice(1), 'delivery', '--name', 'd1', '--head', socket], {
    reject: false,
  });
  t.teardown(async () => {
    delivery.kill('SIGKILL');
    await delivery;
  });
}

needing(['prlimit'], test.serial)(
  'without an fd for its peers a head waits, says so now and then, and lets them in when there is one',
  async (t) => {
    const socket = join(await folder(t), 'head.sock');
    const { pid, listen, admin, log } = await startHead(t, socket);
    const peers = Array.from({ length: 20 }, () => connectSeqpacket(socket));
    t.teardown(async () => peers.forEach(closeFd));
    await until(
      'they are in',
      () => countFds(pid),
      (count) => count > 20,
    );
    const before = cpuTicks(pid);
    await run('prlimit', ['--pid', String(pid), `--nofile=${await countFds(pid)}:`]);
    // More than those who are in: each that comes takes the place of one.
    for (let i = 0; i < 60; i++) {
      try {
        peers.push(connectSeqpacket(socket));
      } catch (error) {
        // As many as may wait to be accepted are waiting.
        t.is((error as SystemError).code, 'EAGAIN');
      }
    }
    await until('it says so', log, (text) => text.includes('cannot accept a delivery'));
    await delay(1500);
    const lines = log().split('cannot accept a delivery').length - 1;
    t.true(lines < 10, `${lines} lines`);
    // In hundredths of a second: it does not try all the time.
    t.true(cpuTicks(pid) - before < 100);
    await run('prlimit', ['--pid', String(pid), '--nofile=4096:']);
    await startDelivery(t, socket);
    await until(
      'it is up',
      () => getStatus(admin),
      ({ deliveries }) => deliveries[0]?.state === 'up',
      30_000,
    );
    t.is((await visit(listen, '/bytes/1')).status, 200);
  },
);

function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** `wanted`, or as many open files as the kernel or this machine's owner lets a process have. */
async function highestLimit(wanted: number): Promise<number> {
  const kernels = Number(readFileSync('/proc/sys/fs/nr_open', 'latin1'));
  const most = Math.min(wanted, kernels);
  const { failed } = await execa('prlimit', [`--nofile=${most}:${most}`, 'true'], { reject: false });
  if (!failed) return most;
  return Number(/Max open files +\d+ +(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))![1]);
}

needing(['prlimit'], test.serial)(
  'a limit of a thousand million open files costs a head no memory that it does not use',
  async (t) => {
    const directory = await folder(t);
    const sizes: number[] = [];
    for (const limit of [4096, await highestLimit(1_000_000_000)]) {
      const { pid, listen, admin } = await startHead(
        t,
        join(directory, `${limit}.sock`),
        'prlimit',
        `--nofile=${limit}:${limit}`,
      );
      await startDelivery(t, join(directory, `${limit}.sock`));
      await until(
        'it is up',
        () => getStatus(admin),
        ({ deliveries }) => deliveries[0]?.state === 'up',
        30_000,
      );
      t.is((await visit(listen, '/bytes/1')).status, 200);
      sizes.push(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) / 1024);
    }
    const [small, large] = sizes as [number, number];
    t.log(`${small.toFixed(0)} MB with a low limit, ${large.toFixed(0)} MB with a high one`);
    t.true(large < small + 25);
  },
);

/** Exit code and what it says. */
async function refused(...command: string[]): Promise<string> {
  const { exitCode, stderr } = await execa(command[0]!, command.slice(1), {
    reject: false,
    timeout: 60_000,
    // Another user may not write into that folder.
    env: { BATON_TRACE: '' },
  });
  return `${exitCode} ${stderr}`;
}

const headAt = (socket: string): string[] => [
  ...baton,
  ...['head', '--listen', '127.0.0.1:0', '--workers', '1', '--socket', socket],
];

test.serial('a path where no socket can be is refused in one line that says why', async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, 'file'), '');
  await mkdir(join(directory, 'taken.sock'));
  for (const [path, why] of [
    [join(directory, 'file', 'head.sock'), /file/],
    [join(directory, 'no', 'such', 'head.sock'), /does not exist \(ENOENT\)/],
    [join(directory, 'taken.sock'), /taken\.sock/],
    ['/proc/head.sock', /\/proc/],
  ] as const) {
    const said = await refused(...headAt(path));
    t.regex(said, /^1 baton: [^\n]+$/, path);
    t.notRegex(said, /unexpected/, path);
    t.regex(said, why, path);
  }
});

asRoot(['setpriv'], test.serial)(
  'a folder that is read-only, full or another user’s is named, with what is the matter',
  async (t) => {
    const directory = await folder(t);
    const shell = (script: string): Promise<string> =>
      refused('unshare', '-m', 'sh', '-c', `${script}; exec "$@"`, 'sh', ...headAt(`${directory}/head.sock`));
    const readOnly = await shell(`mount -t tmpfs -o ro none ${directory}`);
    t.regex(readOnly, /^1 baton: [^\n]*is on a read-only file system[^\n]*$/);
    // A tmpfs of which every inode is in use.
    const full = await shell(`mount -t tmpfs -o nr_inodes=1 none ${directory}`);
    t.regex(full, /^1 baton: [^\n]*the file system of [^\n]* is full \(ENOSPC\)[^\n]*$/);
    await chmod(directory, 0o755);
    const foreign = await refused(
      'setpriv',
      ...['--bounding-set=-all', '--inh-caps=-all', '--reuid=65534', '--regid=65534', '--clear-groups'],
      ...headAt(join(directory, 'head.sock')),
    );
    t.regex(foreign, /^1 baton: [^\n]*user 65534 may not create it in [^\n]* \(EACCES\)[^\n]*$/);
  },
);
