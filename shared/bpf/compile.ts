/**
 * `node shared/bpf/compile.ts FILE.bpf.c...`: makes FILE.bpf.o beside each. Both are committed, so that a host needs no
 * compiler; tests compile again and compare. Another major version of clang may choose other instructions for the same source.
 */
import { basename, dirname } from 'node:path';
import { runCommand } from '../command.ts';
import { BatonError } from '../errors.ts';

/** The version of the clang that made the committed objects. */
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
export async function compileBpf(source: string, object: string): Promise<void> {
  if ((await clangMajor()) === undefined) {
    throw new BatonError('MISSING_TOOL', {
      tool: 'clang',
      fix: 'sudo apt-get install clang libbpf-dev linux-libc-dev',
    });
  }
  const flags = ['-O2', '-target', 'bpfel', '-mcpu=v2', '-Wall', '-Wextra', '-Werror'];
  const include = `-I/usr/include/${machine}-linux-gnu`;
  // By its name alone, which the object has in it.
  const args = [...flags, include, '-c', basename(source), '-o', object];
  const { failed, problem, stderr } = await runCommand('clang', args, { cwd: dirname(source) });
  if (failed) throw new Error(`${problem}\n${stderr}`);
}

if (import.meta.main)
  for (const source of process.argv.slice(2))
    await compileBpf(source, basename(source).replace(/\.c$/, '.o'));
