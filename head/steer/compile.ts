/**
 * `node head/steer/compile.ts`: makes steer.bpf.o from steer.bpf.c. Both are committed, so that a host needs no compiler;
 * a test compiles again and compares. Another major version of clang may choose other instructions for the same source.
 */
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../shared/command.ts';
import { BatonError } from '../../shared/errors.ts';

/** The version of the clang that made the committed object. */
export const CLANG_MAJOR = 14;

/** Where Debian keeps asm/types.h, which linux/types.h asks for. */
const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;

/** clang's major version; undefined when it does not run. */
export async function clangMajor(): Promise<number | undefined> {
  const { stdout, failed } = await runCommand('clang', ['--version']);
  const found = /version (\d+)/.exec(failed ? '' : stdout);
  return found ? Number(found[1]) : undefined;
}

/** Throws MISSING_TOOL without clang; what clang objects to is in the error it throws otherwise. */
export async function compileSteering(object: string): Promise<void> {
  if ((await clangMajor()) === undefined) {
    throw new BatonError('MISSING_TOOL', {
      tool: 'clang',
      fix: 'sudo apt-get install clang libbpf-dev linux-libc-dev',
    });
  }
  const flags = ['-O2', '-target', 'bpfel', '-mcpu=v2', '-Wall', '-Wextra', '-Werror'];
  const include = `-I/usr/include/${machine}-linux-gnu`;
  const args = [...flags, include, '-c', 'steer.bpf.c', '-o', object];
  const { failed, problem, stderr } = await runCommand('clang', args, { cwd: import.meta.dirname });
  if (failed) throw new Error(`${problem}\n${stderr}`);
}

if (import.meta.main) await compileSteering(fileURLToPath(new URL('steer.bpf.o', import.meta.url)));
