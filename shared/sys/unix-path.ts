/**
 * A Unix socket at a path of its own: a dead socket there is replaced, a live one or anything else is left alone, and of
 * several processes that want the path at the same moment one gets it. Whoever has it removes it again, unless somebody
 * else has put another in its place.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BatonError } from '../errors.ts';
import type { SystemError } from './libc.ts';
import { alone } from './lock.ts';
import { closeFd, listen, setCloseOnExec, setNonBlocking } from './sockets.ts';
import { connectUnix, listenUnix, socketType, unixPathOf } from './unix-sockets.ts';

export interface SocketFile {
  readonly path: string;
  /** Listening; whoever asked for it closes it. */
  readonly fd: number;
  /** There was one that a dead process had left. */
  readonly replaced: boolean;
  /** The path still leads here. */
  isThere(): boolean;
  /** Removes the file, so that the path is free. To be called before the fd is closed: until then nobody else takes the path. */
  remove(): void;
}

export interface SocketWish {
  readonly path: string;
  readonly type: 'stream' | 'seqpacket';
  readonly backlog: number;
  /** What a person would change. */
  readonly option: string;
  /** Members of this group may connect as well (mode 0660); by default only the owner may (0600). */
  readonly group?: number | undefined;
}

/** Throws SOCKET_UNUSABLE, SOCKET_NOT_A_SOCKET and SOCKET_IN_USE. */
export async function listenAt(wish: SocketWish): Promise<SocketFile> {
  const { path, option } = wish;
  const unusable = (problem: string, cause?: unknown): BatonError =>
    new BatonError('SOCKET_UNUSABLE', { path, problem: `${problem}; choose another with ${option}` }, cause);
  if (Buffer.byteLength(path) > 107) {
    throw unusable('it is longer than the 107 bytes that Linux allows (unix(7))');
  }
  const folder = dirname(path);
  try {
    const made = makeFolder(folder);
    // The group may pass through a folder that was made for this; others are as their owner wants them.
    if (made && wish.group !== undefined) openFolder(folder, wish.group);
    return await alone(folder, () => listenAlone(wish));
  } catch (error) {
    if (error instanceof BatonError) throw error;
    throw unusable(explain(error, folder), error);
  }
}

/**
 * Private when it has to be made; a shared temporary folder could hold one that another user made. Its parent must be
 * there: a path with several folders that are missing is more likely a slip of the pen. True when it was made.
 */
function makeFolder(folder: string): boolean {
  const made = statSync(folder, { throwIfNoEntry: false }) === undefined;
  if (made) mkdirSync(folder, { mode: 0o700 });
  const { uid, mode } = statSync(folder);
  const own = process.getuid!();
  if (uid !== own && uid !== 0 && own !== 0) throw new Error(`${folder} belongs to another user`);
  if (uid !== own && (mode & 0o1000) === 0 && (mode & 0o022) !== 0)
    throw new Error(`anybody may change ${folder}`);
  return made;
}

function openFolder(folder: string, group: number): void {
  chownSync(folder, -1, group);
  chmodSync(folder, 0o710);
}

function listenAlone({ path, type, backlog, option, group }: SocketWish): SocketFile {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found && !found.isSocket()) throw new BatonError('SOCKET_NOT_A_SOCKET', { path, option });
  if (found && isListening(path)) throw new BatonError('SOCKET_IN_USE', { path, option });
  if (found) rmSync(path);
  const fd = listenUnix(path, type, backlog);
  try {
    if (group !== undefined) {
      chownSync(path, -1, group);
      chmodSync(path, 0o660);
    }
    return socketFile(path, fd, found !== undefined);
  } catch (error) {
    closeFd(fd);
    rmSync(path, { force: true });
    throw error;
  }
}

/** The file that is at the path now is the socket's. */
function socketFile(path: string, fd: number, replaced: boolean): SocketFile {
  const own = lstatSync(path, { throwIfNoEntry: false });
  const isThere = (): boolean => {
    const now = lstatSync(path, { throwIfNoEntry: false });
    return now !== undefined && now.ino === own?.ino && now.dev === own.dev;
  };
  const remove = (): void => {
    if (isThere()) rmSync(path, { force: true });
  };
  return { path, fd, replaced, isThere, remove };
}

/**
 * A socket that listens at the path already, and that somebody else has opened: the file is left as it is. Where somebody has
 * removed it, `isThere` says so. Takes over the fd. Throws INHERITED_UNUSABLE.
 */
export function keepListening(fd: number, { path, type, backlog, option }: SocketWish): SocketFile {
  try {
    const found = unixPathOf(fd);
    const problem =
      socketType(fd) !== type || found === undefined
        ? `fd ${fd} is no Unix socket of type ${type} with a path`
        : resolve(found) === resolve(path)
          ? undefined
          : `fd ${fd} is the socket at ${found}; a socket keeps its path, so give that to ${option}`;
    if (problem) throw new BatonError('INHERITED_UNUSABLE', { what: `the socket at ${path}`, problem });
    setCloseOnExec(fd);
    setNonBlocking(fd);
    listen(fd, backlog);
    return socketFile(path, fd, false);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function isListening(path: string): boolean {
  for (const type of ['seqpacket', 'stream'] as const) {
    try {
      closeFd(connectUnix(path, type));
      return true;
    } catch (error) {
      const { code } = error as SystemError;
      // Somebody is there, with a socket of the other type or of a third.
      if (code === 'EPROTOTYPE') continue;
      return code !== 'ECONNREFUSED' && code !== 'ENOENT';
    }
  }
  return true;
}

/** What is wrong, for a person: the kernel's own words do not say where. */
function explain(error: unknown, folder: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `user ${process.getuid!()} may not create it in ${folder} (${code})`;
    case 'EROFS':
      return `${folder} is on a read-only file system`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `the file system of ${folder} is full (${code})`;
    case 'ENOENT':
      return `the folder ${dirname(folder)} or ${folder} does not exist (ENOENT)`;
    case 'ENOTDIR':
      return `${folder} is not a folder (ENOTDIR)`;
    case 'EAGAIN':
      return `another process holds a lock on ${folder}`;
    default:
      return message;
  }
}
