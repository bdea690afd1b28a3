/** Where contenders run: a temporary folder for their sockets, the compiled programs, and every process they start. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { BatonError } from '../../shared/errors.ts';
import { compilePrograms, type Program } from './compile.ts';

/** How long a process may take to say that it is ready. */
const READY_WITHIN_MS = 60_000;
/** How long it may take to end after SIGTERM before it is killed. */
const END_WITHIN_MS = 5_000;

const readyLine = z.object({
  ready: z.string(),
  pid: z.int().positive(),
  /** HOST:PORT, of what listens. */
  listen: z.string().optional(),
  /** Processes that it started itself. */
  others: z.array(z.int().positive()).default([]),
});

interface Ending {
  /** Undefined after a signal. */
  readonly exitCode: number | undefined;
  /** Of what it wrote to stdout. */
  readonly lastLine: string;
}

interface Launched {
  readonly pid: number;
  /** HOST:PORT; empty for a program that does not listen. */
  readonly address: string;
  /** Processes that it started itself, and said so. */
  readonly others: readonly number[];
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<Ending>;
  /** SIGTERM, then SIGKILL when that does not end it. */
  stop(): Promise<Ending>;
}

export interface Stage {
  /** Holds Unix sockets; removed at the end. */
  readonly folder: string;
  readonly programs: Readonly<Record<Program, string>>;
  /** Starts a program and waits for its first line, one of JSON that says "ready" and its pid. */
  launch(file: string, args: readonly string[]): Promise<Launched>;
  /**
   * Starts a server that says nothing, and waits until it answers at `address`; `debian` is the package that has it, and
   * `from` goes before its command, and before the one that tries whether it answers.
   */
  launchListener(
    command: readonly string[],
    address: string,
    debian: string,
    from?: readonly string[],
  ): Promise<Launched>;
  /** What is not a process and ends with the stage. */
  onClose(end: () => Promise<unknown>): void;
  /** Runs a program to its end and returns its last line. Throws when it, or what was launched before, fails. */
  run(file: string, args: readonly string[]): Promise<string>;
  /** Ends every process that was launched here, by its pid, and removes the folder. */
  close(): Promise<void>;
}

/** `signal` ends everything that runs on the stage; what was waiting then rejects. */
export async function openStage(signal: AbortSignal): Promise<Stage> {
  const programs = await compilePrograms();
  const folder = await mkdtemp(join(tmpdir(), 'baton-bench-'));
  const stops: (() => Promise<unknown>)[] = [];
  const broken = new AbortController();
  return {
    folder,
    programs,
    async launch(file, args) {
      signal.throwIfAborted();
      const { ready, stop } = start(file, args, (problem) => broken.abort(problem));
      stops.push(stop);
      return await ready();
    },
    async launchListener(command, address, debian, from = []) {
      signal.throwIfAborted();
      const [file, ...args] = [...from, ...command];
      const { reachable, stop } = start(file!, args, (problem) => broken.abort(problem));
      stops.push(stop);
      return await reachable(address, debian, from);
    },
    onClose: (end) => void stops.push(end),
    async run(file, args) {
      const cancelSignal = AbortSignal.any([signal, broken.signal]);
      const result = await execa(file, args, { cancelSignal, stdin: 'ignore', reject: false });
      broken.signal.throwIfAborted();
      signal.throwIfAborted();
      if (result.failed) throw failed(`running ${file}`, lastLine(result.stderr));
      return lastLine(result.stdout);
    },
    async close() {
      // Heads are launched before their receivers and stopped before them, so that receivers see an orderly end.
      for (const stop of stops) await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * `stop` works from the first moment; `ready` resolves when the program says that it is, `reachable` when something
 * listens at the address; `onFailure` is called when it ends unasked.
 */
function start(file: string, args: readonly string[], onFailure: (problem: BatonError) => void) {
  const child = execa(file, args, {
    stdin: 'ignore',
    reject: false,
    buffer: { stdout: false, stderr: true },
    forceKillAfterDelay: END_WITHIN_MS,
  });
  const what = [file, ...args].join(' ');
  const lines = createInterface({ input: child.stdout });
  const firstLine = new Promise<string>((resolve) => lines.once('line', resolve));
  let last = '';
  lines.on('line', (line) => {
    last = line;
  });
  let stopping = false;
  const ended = child.then(({ exitCode, signal, stderr }) => {
    if (!stopping) onFailure(failed(what, `it ended by itself (${signal ?? exitCode}) ${lastLine(stderr)}`));
    return { exitCode, lastLine: last };
  });
  const stop = async () => {
    stopping = true;
    child.kill();
    return ended;
  };

  /** `condition`, unless the program ends first or takes too long. */
  async function within<T>(condition: (signal: AbortSignal) => Promise<T>, debian?: string): Promise<T> {
    const timer = AbortSignal.timeout(READY_WITHIN_MS);
    const over = new AbortController();
    const signal = AbortSignal.any([timer, over.signal]);
    const tooLate = once(timer, 'abort', { signal: over.signal }).then(() => {
      throw failed(what, `it was not ready within ${READY_WITHIN_MS / 1000} s`);
    });
    const gone = child.then(({ code, stderr }) => {
      if (code === 'ENOENT' && debian !== undefined)
        throw new BatonError('MISSING_TOOL', { tool: file, fix: `sudo apt-get install ${debian}` });
      throw failed(what, `it ended at once: ${lastLine(stderr)}`);
    });
    for (const loser of [tooLate, gone]) loser.catch(() => {});
    try {
      return await Promise.race([condition(signal), tooLate, gone]);
    } finally {
      over.abort();
    }
  }

  return {
    stop,
    async ready(): Promise<Launched> {
      const { pid, listen = '', others } = readyLine.parse(JSON.parse(await within(() => firstLine)));
      return { pid, address: listen, others, ended, stop };
    },
    async reachable(address: string, debian: string, from: readonly string[]): Promise<Launched> {
      await within((signal) => untilReachable(address, signal, from), debian);
      return { pid: child.pid!, address, others: [], ended, stop };
    },
  };
}

/** There is nothing to be told by: it is tried every few milliseconds. */
async function untilReachable(address: string, signal: AbortSignal, from: readonly string[]): Promise<void> {
  const [host, port] = address.split(':');
  const [shell, ...args] = [...from, 'bash', '-c', `exec 3<>/dev/tcp/${host}/${port}`];
  while (!signal.aborted) {
    const { failed } = await execa(shell!, args, { reject: false, stdin: 'ignore' });
    if (!failed) return;
    await sleep(10);
  }
}

const lastLine = (text: string) => text.trim().split('\n').at(-1)!;

const failed = (call: string, problem: string) => new BatonError('CALL_FAILED', { call, errno: '', problem });
