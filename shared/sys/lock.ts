/** Taking turns with other processes: flock(2) on a folder, which leaves no file behind and ends with the process. */
import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { lastErrno, libc, SystemError } from './libc.ts';

const flock = libc.func('int flock(int, int)');
const LOCK_EX_NB = 2 | 4;
const EWOULDBLOCK = 11;

/** Who locks does so for a moment; whoever has not let go after so long is no fellow. Milliseconds. */
const WITHIN_MS = 5000;
const AGAIN_MS = 10;

/** Runs `act` while no other process does so for the same folder. Throws Node's error when the folder can not be opened, and EWOULDBLOCK. */
export async function alone<T>(folder: string, act: () => T): Promise<T> {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const until = performance.now() + WITHIN_MS;
    while (flock(fd, LOCK_EX_NB) < 0) {
      const errno = lastErrno();
      if (errno !== EWOULDBLOCK || performance.now() > until) throw new SystemError('flock', errno);
      await delay(AGAIN_MS);
    }
    return act();
  } finally {
    closeSync(fd);
  }
}
