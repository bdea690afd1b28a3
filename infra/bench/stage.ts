/** Where contenders run: a temporary folder for their sockets, the compiled programs, and every process they start. */
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

interface Launched {
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
      const { launched, stop } = start(file, args, (problem) => broken.abort(problem));
      stops.push(stop);
      return launched;
    },
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

/** `stop` works from the first moment; `launched` resolves when the program is ready; `onFailure` when it ends unasked. */
function start(file: string, args: readonly string[], onFailure: (problem: BatonError) => void) {
  const child = execa(file, args, {
    stdin: 'ignore',
    reject: false,
    buffer: { stdout: false, stderr: true },
    forceKillAfterDelay: endWithinMillis,
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

  async function untilReady(): Promise<Launched> {
    const timer = new AbortController();
    const tooLate = sleep(readyWithinMillis, 'late' as const, { signal: timer.signal }).catch(
      () => 'late' as const,
    );
    const first = await Promise.race([firstLine, tooLate, child]);
    timer.abort();
    if (first === 'late') throw failed(what, `it was not ready within ${readyWithinMillis / 1000} s`);
    if (typeof first !== 'string') throw failed(what, `it ended at once: ${lastLine(first.stderr)}`);
    const { pid, listen = '' } = readyLine.parse(JSON.parse(first));
    return { pid, address: listen, ended, stop };
  }

  return { launched: untilReady(), stop };
}

const lastLine = (text: string) => text.trim().split('\n').at(-1)!;

const failed = (call: string, problem: string) => new BatonError('CALL_FAILED', { call, errno: '', problem });
