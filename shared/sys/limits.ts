/** How many files this process may have open: RLIMIT_NOFILE (getrlimit(2)). */
import { check, libc } from './libc.ts';
import { allocate } from './memory.ts';

const getrlimit = libc.func('int getrlimit(int, intptr_t)');
const setrlimit = libc.func('int setrlimit(int, intptr_t)');
const RLIMIT_NOFILE = 7;

/** The soft limit. Node raises it to the hard one when it starts. */
export function openFilesLimit(): number {
  const memory = allocate(16);
  check('getrlimit', getrlimit(RLIMIT_NOFILE, memory.address));
  const soft = memory.view.getBigUint64(0, true);
  memory.free();
  return soft > 0x7fffffffn ? 0x7fffffff : Number(soft);
}

/** Lowers the soft limit; the hard one stays as it is. */
export function limitOpenFiles(limit: number): void {
  const memory = allocate(16);
  check('getrlimit', getrlimit(RLIMIT_NOFILE, memory.address));
  memory.view.setBigUint64(0, BigInt(limit), true);
  check('setrlimit', setrlimit(RLIMIT_NOFILE, memory.address));
  memory.free();
}
