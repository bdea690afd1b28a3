/**
 * What is left when a thread ends that had no time to tidy up: `worker.terminate()` and `process.exit()` run no code of ours.
 * In a process's main thread none of it is needed, because the kernel tidies up after a process.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { libc } from './libc.ts';
import { closeFd } from './sockets.ts';

const dup3 = libc.func('int dup3(int, int, int)');

const RTLD_LAZY = 1;
const RTLD_NOLOAD = 4;
const RTLD_NODELETE = 0x1000;
const O_CLOEXEC = 0o2000000;

const kept = new Set<number>();

/**
 * Makes `fd` one that ends with this thread: the peer hears of that, as it would of a process's end. Returns its new number,
 * to be closed with `closeKept`. Node closes what `fs` has opened in a thread (`trackUnmanagedFds` of Worker), so the number
 * is one of those. Where none is to be had it stays as it is.
 */
export function keepForThread(fd: number): number {
  if (isMainThread) return fd;
  let tracked: number;
  try {
    tracked = openSync('/dev/null', 'r');
  } catch {
    return fd;
  }
  if (dup3(fd, tracked, O_CLOEXEC) < 0) {
    closeSync(tracked);
    return fd;
  }
  closeFd(fd);
  kept.add(tracked);
  return tracked;
}

export function closeKept(fd: number): void {
  if (kept.delete(fd)) closeSync(fd);
  else closeFd(fd);
}

let isPinned = isMainThread;

/**
 * Keeps koffi's code in memory. Node unloads an addon with the last thread that uses it, and only after that lets the event
 * loop call back for what the addon has closed: into nowhere (SIGSEGV). dlopen(3): RTLD_NODELETE.
 */
export function keepAddonLoaded(): void {
  if (isPinned) return;
  isPinned = true;
  const dlopen = libc.func('intptr_t dlopen(str, int)');
  for (const path of new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/.*koffi[^/\n]*\.node$/gm)))
    dlopen(path, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}
