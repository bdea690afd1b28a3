/** Commands of a lab on this machine: run to their end, or as services that say when they are ready. */
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../shared/errors.ts';
import { launch, why } from '../processes/launch.ts';
import type { HostRunOptions, Service } from './lab.ts';

/** The command line beside this folder: TypeScript in a checkout, JavaScript in an installed package. */
const main = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url));

export const READY_WITHIN_MS = 15_000;

/** What runs `baton`: the arguments follow. */
export const baton: readonly string[] = [process.execPath, main];

/** Starts a command that prints one line of JSON when it is ready and then runs until it is stopped. */
export async function startService(command: readonly string[], withinMs = READY_WITHIN_MS): Promise<Service> {
  const { child, ended, readyLine, stop, log } = launch(command, { name: nameOf(command) });
  try {
    const ready = await readyLine(withinMs);
    return {
      ready,
      pid: child.pid!,
      ended: ended.then(() => {}),
      log,
      async stop() {
        await stop();
      },
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
  const running = launch(command, { name, stdin: endedBy === 'input' ? 'pipe' : 'ignore' });
  const { child, ended, log } = running;
  // It may end before its input does.
  child.stdin?.on('error', () => {});
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const stop = () => (child.stdin ? void child.stdin.end() : void running.stop());
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const ending = await ended;
  signal?.removeEventListener('abort', stop);
  const answered = text !== '' && answers.includes(ending.exitCode ?? 0);
  if (ending.failed && !answered && !signal?.aborted)
    throw new BatonError('LAB_FAILED', { problem: `${name} failed (${why(ending, log())})` });
  return text;
}

/** `head` of `node main.ts head --listen ...`: what a person knows it as. */
export function nameOf(command: readonly string[]): string {
  return command[0] === baton[0] && command[1] === baton[1]
    ? `baton ${command[2]}`
    : basename(command[1] ?? command[0]!);
}
