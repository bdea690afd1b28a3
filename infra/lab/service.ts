import { basename, extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { BatonError } from '../../shared/errors.ts';
import type { HostRunOptions, Service } from './lab.ts';

/** The command line beside this file: TypeScript in a checkout, JavaScript in an installed package. */
const main = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url));

const READY_WITHIN_MS = 15_000;
const STOP_WITHIN_MS = 5000;
/** Of a service's log, kept to explain why it ended. */
const KEPT_LOG = 64 * 1024;

const running = new Set<{ kill(signal: 'SIGKILL'): boolean }>();
/** The last resort that leaves nothing behind when the process that started them ends early. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Each child leads a process group of its own, so that Ctrl-C in a terminal reaches only the lab, which then ends its
 * children in order.
 */
function launch(command: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore') {
  const child = execa(command[0]!, command.slice(1), {
    detached: true,
    cleanup: false,
    reject: false,
    stdin,
    buffer: { stdout: false, stderr: false },
  });
  running.add(child);
  const ended = child.finally(() => running.delete(child));
  return { child, ended };
}

/** What runs `baton`: the arguments follow. */
export const baton: readonly string[] = [process.execPath, main];

/** Starts a command that prints one line of JSON when it is ready and then runs until it is stopped. */
export async function startService(command: readonly string[], withinMs = READY_WITHIN_MS): Promise<Service> {
  const { child, ended } = launch(command);
  const log = keepTail(child.stderr);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= endWithin(child, ended);
    return stopping;
  };
  try {
    const ready = await readyLine(child, ended, nameOf(command), log, withinMs);
    return {
      ready,
      pid: child.pid!,
      stop,
      async kill() {
        child.kill('SIGKILL');
        await ended;
      },
      freeze: async () => void child.kill('SIGSTOP'),
      resume: async () => void child.kill('SIGCONT'),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Child = ReturnType<typeof launch>['child'];
type Ended = ReturnType<typeof launch>['ended'];

async function readyLine(child: Child, ended: Ended, what: string, log: () => string, withinMs: number) {
  const lines = createInterface({ input: child.stdout! });
  let timer: NodeJS.Timeout | undefined;
  try {
    const line = await Promise.race([
      new Promise<string>((resolve) => lines.once('line', resolve)),
      ended.then((result) => {
        throw new BatonError('LAB_FAILED', {
          problem: `${what} ended before it was ready (${why(result, log())})`,
        });
      }),
      new Promise<never>((_, reject) => {
        timer = setTimeout(
          () =>
            reject(
              new BatonError('LAB_FAILED', { problem: `${what} was not ready within ${withinMs / 1000} s` }),
            ),
          withinMs,
        );
      }),
    ]);
    return parseReady(line, what);
  } finally {
    clearTimeout(timer);
    lines.close();
    // A service that prints more must not stop at a full pipe.
    child.stdout!.resume();
  }
}

function parseReady(line: string, what: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    const problem = `${what} did not say that it is ready, but: ${line.slice(0, 200)}`;
    throw new BatonError('LAB_FAILED', { problem }, error);
  }
}

export interface RunOptions extends HostRunOptions {
  /** What an abort does: SIGTERM, or for what signals do not reach the end of its standard input. */
  readonly endedBy?: 'signal' | 'input';
  /** For a message that it failed. */
  readonly name?: string;
}

/** Runs a command to its end and answers its standard output. */
export async function runToEnd(
  command: readonly string[],
  { signal, answers = [], endedBy = 'signal', name = nameOf(command) }: RunOptions = {},
): Promise<string> {
  const { child, ended } = launch(command, endedBy === 'input' ? 'pipe' : 'ignore');
  // It may end before its input does.
  child.stdin?.on('error', () => {});
  const log = keepTail(child.stderr);
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const stop = () => (child.stdin ? void child.stdin.end() : void endWithin(child, ended));
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const result = await ended;
  signal?.removeEventListener('abort', stop);
  const answered = text !== '' && answers.includes(result.exitCode ?? 0);
  if (result.failed && !answered && !signal?.aborted) {
    throw new BatonError('LAB_FAILED', { problem: `${name} failed (${why(result, log())})` });
  }
  return text;
}

async function endWithin(child: Child, ended: Ended): Promise<void> {
  child.kill('SIGTERM');
  // A stopped process sees no SIGTERM.
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await ended;
  clearTimeout(timer);
}

/** `head` of `node main.ts head --listen ...`: what a person knows it as. */
export function nameOf(command: readonly string[]): string {
  return command[0] === baton[0] && command[1] === baton[1]
    ? `baton ${command[2]}`
    : basename(command[1] ?? command[0]!);
}

function keepTail(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(-KEPT_LOG);
  });
  return () => text;
}

function why(result: Awaited<Ended>, log: string): string {
  const last = log.trim().split('\n').at(-1) ?? '';
  const end = result.signal ? `ended by ${result.signal}` : `exit code ${result.exitCode ?? '?'}`;
  return last === '' ? end : `${end}: ${last}`;
}
