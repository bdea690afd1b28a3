/** How many files this process may have open: RLIMIT_NOFILE (getrlimit(2)). */
import { check, libc } from './libc.ts';
import { allocate } from './memory.ts';

const getrlimit = libc.func('int getrlimit(int, intptr_t)');
const RLIMIT_NOFILE = 7;

/** The soft limit. Node raises it to the hard one when it starts. */
export function openFilesLimit(): number {
  const memory = allocate(16);
  check('getrlimit', getrlimit(RLIMIT_NOFILE, memory.address));
  const soft = memory.view.getBigUint64(0, true);
  memory.free();
  return soft > 0x7fffffffn ? 0x7fffffff : Number(soft);
}
