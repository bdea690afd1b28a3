/** A keeper with its head as child processes, and what they say. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { baton } from '../../infra/lab/service.ts';
import type { Scope } from './cluster.ts';
import { until } from './until.ts';

interface ReadyLine {
  readonly listen: string;
  readonly admin: string;
  readonly pid: number;
}

export interface KeptHead {
  readonly pid: number;
  readonly folder: string;
  readonly socket: string;
  /** Ready lines of the heads so far. */
  readonly heads: readonly ReadyLine[];
  /** What both have said on their standard error. */
  log(): string;
  /** The n-th head is ready, counted from 1. */
  untilReady(count: number): Promise<ReadyLine>;
  signal(name: NodeJS.Signals): void;
  /** Exit code, or the signal that has ended it. */
  readonly ended: Promise<number | string>;
}

/** `options` follow what a head needs here; what still runs is killed when the test ends. */
export async function startKeeper(
  t: Scope,
  options: readonly string[] = [],
  {
    env = {},
    command = baton,
    keeper = [],
  }: { env?: Record<string, string>; command?: readonly string[]; keeper?: readonly string[] } = {},
): Promise<KeptHead> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-kept-'));
  const socket = join(folder, 'head.sock');
  const args = [
    'keeper',
    ...keeper,
    '--',
    '--listen',
    '127.0.0.1:0',
    '--socket',
    socket,
    '--workers',
    '2',
    ...options,
  ];
  const child = spawn(command[0]!, [...command.slice(1), ...args], {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const heads: ReadyLine[] = [];
  let log = '';
  createInterface({ input: child.stdout }).on('line', (line) => heads.push(JSON.parse(line) as ReadyLine));
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    log += part;
  });
  // Its head may live on, and has its standard output and error.
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 1));
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
    for (const { pid } of heads) kill(pid);
    for (const pid of pidsOf(log)) kill(pid);
    await rm(folder, { recursive: true, force: true });
  });
  return {
    pid: child.pid!,
    folder,
    socket,
    heads,
    log: () => log,
    async untilReady(count) {
      await until(
        `head ${count} is ready`,
        () => heads.length,
        (length) => length >= count,
        60_000,
      );
      return heads[count - 1]!;
    },
    signal: (name) => void child.kill(name),
    ended,
  };
}

const pidsOf = (log: string): number[] => [...log.matchAll(/"headPid":(\d+)/g)].map(([, pid]) => Number(pid));

/** Only one that may be ours: a head. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
