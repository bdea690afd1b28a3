/** That a program for the kernel which is committed is what its source compiles to. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { CLANG_MAJOR, clangMajor, compileBpf } from '../../shared/bpf/compile.ts';
import type { BpfObject } from '../../shared/bpf/object.ts';
import { needing } from './needs.ts';

// Another release may choose other instructions for the same source.
const major = await clangMajor();
const other = major !== undefined && major !== CLANG_MAJOR && process.env.CI === undefined;
const hint = `(needs clang ${CLANG_MAJOR}, not ${major}: sudo apt-get install clang-${CLANG_MAJOR})`;

/** `source`: from the project's root. */
export function testCompiled(source: string, read: (object?: string) => BpfObject): void {
  const name = basename(source).replace(/\.c$/, '.o');
  const title = `${name} is what its source compiles to`;
  const declare = needing('clang', other ? (title, body) => test.skip(`${title} ${hint}`, body) : test);
  declare(title, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'baton-bpf-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const object = join(directory, name);
    await compileBpf(fileURLToPath(new URL(`../../${source}`, import.meta.url)), object);
    const committed = read();
    t.deepEqual(read(object), committed, `run: node shared/bpf/compile.ts ${source}, and commit ${name}`);
    t.true(committed.mapUses.length > 0);
  });
}
