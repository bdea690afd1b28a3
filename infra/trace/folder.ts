import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkTrace } from './check.ts';

/** What the processes that had BATON_TRACE=`folder` have written. Throws as checkTrace does. */
export function checkFolder(folder: string): { processes: number; problems: string[] } {
  const files = readdirSync(folder).filter((name) => name.endsWith('.trace'));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
  return { processes: files.length, problems: checkTrace(text) };
}
