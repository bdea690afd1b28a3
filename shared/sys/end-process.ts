/** The end of this process without a farewell to its threads: the kernel tidies up after it. */
import { libc } from './libc.ts';

const _exit = libc.func('void _exit(int)');

/** Listeners to its end are told, and what they do must not wait for anything. _exit(2) */
export function endProcess(code: number): never {
  process.emit('exit', code);
  return _exit(code) as never;
}
