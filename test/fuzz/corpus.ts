/** The inputs that are kept: test/corpus/TARGET/NAME, the bytes as they are. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../corpus', import.meta.url));

export interface Kept {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** In the order of their names, so that a run can be had again. */
export function loadCorpus(target: string): Kept[] {
  let names: string[];
  try {
    names = readdirSync(join(folder, target)).sort();
  } catch {
    return [];
  }
  return names.map((name) => ({ name, bytes: readFileSync(join(folder, target, name)) }));
}

/** `kind`, and what tells it from others. Answers where it is. */
export function keep(target: string, kind: string, bytes: Uint8Array): string {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
  const file = join(folder, target, `${kind}-${hash}`);
  mkdirSync(join(folder, target), { recursive: true });
  writeFileSync(file, bytes);
  return file;
}
