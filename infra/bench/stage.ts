/** Where contenders run: a temporary folder for their sockets, the compiled programs, and every process they start. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { BatonError } from '../../shared/errors.ts';
import { runToEnd } from '../lab/service.ts';
import { launch, why } from '../processes/launch.ts';
import { missingTool } from '../processes/tool.ts';
import { compilePrograms, type Program } from './compile.ts';

/** How long a process may take to say that it is ready. */
const READY_WITHIN_MS = 60_000;
const readySchema = z.object({
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
      const cancelled = AbortSignal.any([signal, broken.signal]);
      const said = await runToEnd([file, ...args], { signal: cancelled });
      broken.signal.throwIfAborted();
      signal.throwIfAborted();
      return said.trim().split('\n').at(-1)!;
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
  const what = [file, ...args].join(' ');
  const {
    child,
    ended: gone,
    log,
    within,
    readyLine,
    lastLine,
    stop: end,
  } = launch([file, ...args], {
    name: what,
    failure: failed,
  });
  let stopping = false;
  const ended = gone.then((ending) => {
    if (!stopping) onFailure(failed(what, `it ended by itself (${why(ending, log())})`));
    return { exitCode: ending.exitCode, lastLine: lastLine() };
  });
  const stop = async () => {
    stopping = true;
    await end();
    return ended;
  };
  return {
    stop,
    async ready(): Promise<Launched> {
      const { pid, listen = '', others } = readySchema.parse(await readyLine(READY_WITHIN_MS));
      return { pid, address: listen, others, ended, stop };
    },
    async reachable(address: string, debian: string, from: readonly string[]): Promise<Launched> {
      // Whatever it prints is nothing to wait for.
      child.stdout!.resume();
      const isMissing = gone.then(({ code }) => {
        if (code === 'ENOENT') throw missingTool(file, debian);
      });
      isMissing.catch(() => {});
      try {
        await within((over) => untilReachable(address, over, from), READY_WITHIN_MS);
      } catch (error) {
        // Of a program that is not there this says more than that it ended.
        if (!child.pid) await isMissing;
        throw error;
      }
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

const failed = (call: string, problem: string) => new BatonError('CALL_FAILED', { call, errno: '', problem });
