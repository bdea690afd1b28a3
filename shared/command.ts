/** Programs of the system, run to their end. */
import { execFile } from 'node:child_process';

/** The most of each output, bytes: far above what `ip` lists of a large host. */
const OUTPUT_MAX = 64 * 1024 * 1024;

/** Where programs are looked for: Debian's /sbin is not on an ordinary user's PATH. */
export const toolPath = (): string => `${process.env.PATH}:/usr/sbin:/sbin`;

export interface Finished {
  readonly failed: boolean;
  /** It could not be started: there is no such program. */
  readonly missing: boolean;
  /** Without the line end at their ends. */
  readonly stdout: string;
  readonly stderr: string;
  /** One line about how it ended; empty when it went well. */
  readonly problem: string;
}

export interface CommandOptions {
  /** Added to this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What it reads from its standard input. Default nothing. */
  readonly input?: string;
  /** It is killed then, milliseconds. */
  readonly withinMs?: number;
}

/** Never rejects: how a program failed is for its caller to understand. */
export function runCommand(
  program: string,
  args: readonly string[],
  { env = {}, cwd, input = '', withinMs = 0 }: CommandOptions = {},
): Promise<Finished> {
  const options = {
    cwd,
    env: { ...process.env, PATH: toolPath(), ...env },
    timeout: withinMs,
    maxBuffer: OUTPUT_MAX,
  };
  return new Promise((resolve) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      resolve({
        failed: error !== null,
        missing: error?.code === 'ENOENT',
        stdout: stdout.trimEnd(),
        stderr: stderr.trimEnd(),
        problem: error === null ? '' : howItFailed(program, error),
      });
    });
    // It may end before it has read all of it.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function howItFailed(program: string, error: Error & { code?: unknown; signal?: unknown }): string {
  if (error.code === 'ENOENT') return `${program} is not installed`;
  if (error.signal) return `${program} was ended by ${String(error.signal)}`;
  return `${program} failed: ${String(error.code ?? error.message)}`;
}
