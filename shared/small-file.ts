/**
 * Files of settings, certificates and keys, read while others wait for this thread: one that is no file (to open a FIFO would
 * wait for its other end) or a large one is refused.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

export interface SmallFile {
  readonly text: string;
  /** Permissions of the file that was open, not of what has the name by now. */
  readonly mode: number;
}

/** Throws an Error whose message ends a sentence that begins with the file's name. */
export function readSmallFile(file: string, bytesMax: number): SmallFile {
  const fd = open(file);
  try {
    const { mode, isFile } = kindOf(fd);
    if (!isFile) throw new Error('it is not a file that could be read twice');
    const bytes = Buffer.allocUnsafe(bytesMax + 1);
    let length = 0;
    for (let n = -1; n !== 0 && length <= bytesMax; length += n)
      n = readSync(fd, bytes, length, bytesMax + 1 - length, null);
    if (length > bytesMax) throw new Error(`it is longer than ${bytesMax} bytes`);
    return { text: bytes.toString('utf8', 0, length), mode };
  } finally {
    closeSync(fd);
  }
}

function open(file: string): number {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`, {
      cause: error,
    });
  }
}

function kindOf(fd: number): { mode: number; isFile: boolean } {
  const stat = fstatSync(fd);
  return { mode: stat.mode, isFile: stat.isFile() };
}
