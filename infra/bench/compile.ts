/** Compiles the C programs of `c/` when they are needed; nothing compiled is kept in the repository. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { BatonError } from '../../shared/errors.ts';

const programs = ['fd-drain', 'fd-loop', 'hold', 'load', 'notes-redirect', 'ping', 'tcp-drain'] as const;
export type Program = (typeof programs)[number];

const sources = join(import.meta.dirname, 'c');
const built = join(import.meta.dirname, '.build');

/** How to get a compiler, for a person to copy. */
export const compilerHint = 'sudo apt-get install gcc libc6-dev';

/** The C compiler's command: $CC or `cc`; undefined when it does not run. */
export async function findCompiler(): Promise<string | undefined> {
  const compiler = process.env.CC ?? 'cc';
  const { failed } = await execa(compiler, ['--version'], { reject: false });
  return failed ? undefined : compiler;
}

/** Paths of the programs, compiled with `-O2` if a source is newer. Throws MISSING_TOOL without a compiler. */
export async function compilePrograms(): Promise<Readonly<Record<Program, string>>> {
  const compiler = await findCompiler();
  if (compiler === undefined)
    throw new BatonError('MISSING_TOOL', { tool: 'a C compiler', fix: compilerHint });
  await mkdir(built, { recursive: true });
  const changed = await newestSource();
  const compiled = programs.map(async (name) => {
    const path = join(built, name);
    if ((await modified(path)) <= changed) await compile(compiler, join(sources, `${name}.c`), path);
    return [name, path] as const;
  });
  return Object.fromEntries(await Promise.all(compiled)) as Record<Program, string>;
}

/** Written aside and renamed, so that a second run at the same time never executes half a file. */
async function compile(compiler: string, source: string, path: string): Promise<void> {
  const aside = `${path}.${process.pid}.${process.hrtime.bigint()}`;
  try {
    await execa(compiler, ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-pthread', '-o', aside, source]);
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
}

async function newestSource(): Promise<number> {
  const files = await readdir(sources);
  return Math.max(...(await Promise.all(files.map((file) => modified(join(sources, file))))));
}

/** Milliseconds since 1970; 0 for a file that is not there. */
async function modified(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
