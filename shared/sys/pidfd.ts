/** Hearing of the end of a process that is nobody's child here (pidfd_open(2), Linux 5.3 and later). */
import { check, libc } from './libc.ts';
import { type Readiness, watchReadable } from './readiness.ts';
import { closeFd, setCloseOnExec } from './sockets.ts';

const syscall = libc.func('int syscall(long, int, uint32_t)');
const SYS_pidfd_open = 434;

/**
 * Calls `onEnd` once when the process has ended; what it returns stops that. Keeps this process alive until then, unless `isIdle`.
 * Throws a SystemError: ESRCH when there is none.
 */
export function watchProcess(pid: number, onEnd: () => void, isIdle = false): () => void {
  const fd = check('pidfd_open', syscall(SYS_pidfd_open, pid, 0));
  setCloseOnExec(fd);
  let readiness: Readiness | undefined;
  const stop = (): void => {
    if (!readiness) return;
    readiness.close();
    readiness = undefined;
    closeFd(fd);
  };
  readiness = watchReadable(fd, () => {
    stop();
    onEnd();
  });
  if (isIdle) readiness.unref();
  return stop;
}
