/** Where contenders run: a temporary folder for their sockets, the compiled programs, and every process they start. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { z } from 'zod';
import { BatonError } from '../../shared/errors.ts';
import { compilePrograms, type Program } from './compile.ts';

/** How long a process may take to say that it is ready. */
const readyWithinMillis = 15_000;
/** How long it may take to end after SIGTERM before it is killed. */
const endWithinMillis = 5_000;

const readyLine = z.object({
  ready: z.string(),
  pid: z.int().positive(),
  /** HOST:PORT, of what listens. */
  listen: z.string().optional(),
});

interface Ending {
  /** Undefined after a signal. */
  readonly exitCode: number | undefined;
  /** Of what it wrote to stdout. */
  readonly lastLine: string;
}

export interface Launched {
  readonly pid: number;
  /** HOST:PORT; empty for a program that does not listen. */
  readonly address: string;
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
  /** Runs a program to its end and returns its last line. Throws when it fails. */
  run(file: string, args: readonly string[]): Promise<string>;
  /** Ends every process that was launched here, by its pid, and removes the folder. */
  close(): Promise<void>;
}

/** `signal` ends everything that runs on the stage; what was waiting then rejects. */
export async function openStage(signal: AbortSignal): Promise<Stage> {
  const programs = await compilePrograms();
  const folder = await mkdtemp(join(tmpdir(), 'baton-bench-'));
  const stops: (() => Promise<unknown>)[] = [];
  return {
    folder,
    programs,
    async launch(file, args) {
      signal.throwIfAborted();
      const { launched, stop } = start(file, args);
      stops.push(stop);
      return launched;
    },
    async run(file, args) {
      const { stdout } = await execa(file, args, { cancelSignal: signal, stdin: 'ignore' });
      return stdout.trim().split('\n').at(-1)!;
    },
    async close() {
      // Heads are launched before their receivers and stopped before them, so that receivers see an orderly end.
      for (const stop of stops) await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** `stop` works from the first moment; `launched` resolves when the program is ready. */
function start(file: string, args: readonly string[]) {
  const child = execa(file, args, {
    stdin: 'ignore',
    reject: false,
    buffer: { stdout: false, stderr: true },
    forceKillAfterDelay: endWithinMillis,
  });
  const lines = createInterface({ input: child.stdout });
  const firstLine = new Promise<string>((resolve) => lines.once('line', resolve));
  let lastLine = '';
  lines.on('line', (line) => {
    lastLine = line;
  });
  const ended = child.then(({ exitCode }) => ({ exitCode, lastLine }));
  const stop = async () => {
    child.kill();
    return ended;
  };

  async function untilReady(): Promise<Launched> {
    const late = AbortSignal.timeout(readyWithinMillis);
    const tooLate = new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(notReady(`nothing within ${readyWithinMillis / 1000} s`)));
    });
    const endedFirst = child.then(({ stderr }) => {
      throw notReady(stderr.trim().split('\n').at(-1) || 'it ended');
    });
    const line = await Promise.race([firstLine, endedFirst, tooLate]);
    const { pid, listen = '' } = readyLine.parse(JSON.parse(line));
    return { pid, address: listen, ended, stop };
  }

  const notReady = (problem: string) =>
    new BatonError('CALL_FAILED', { call: `starting ${[file, ...args].join(' ')}`, errno: '', problem });
  return { launched: untilReady(), stop };
}
