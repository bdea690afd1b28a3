/** Making a path free for a Unix socket: a dead one is removed, a live one or anything else is left alone. */
import { lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { BatonError } from '../errors.ts';
import { SystemError } from './libc.ts';
import { closeFd, connectSeqpacket } from './sockets.ts';

/** Returns true when a dead socket was removed. `option` is what a person would change. */
export async function freeSocketPath(path: string, option: string): Promise<boolean> {
  if (Buffer.byteLength(path) > 107) {
    throw new BatonError('SOCKET_UNUSABLE', {
      path,
      problem: 'longer than the 107 bytes that Linux allows (unix(7))',
    });
  }
  makeDirectory(dirname(path), path);
  const kind = lstatSync(path, { throwIfNoEntry: false });
  if (!kind) return false;
  if (!kind.isSocket()) throw new BatonError('SOCKET_NOT_A_SOCKET', { path, option });
  if (await isListening(path)) throw new BatonError('SOCKET_IN_USE', { path, option });
  rmSync(path);
  return true;
}

/** Private when it has to be made; a shared temporary folder could hold one that another user made. */
function makeDirectory(directory: string, path: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(directory);
    const own = process.getuid!();
    if (uid !== own && uid !== 0 && own !== 0) throw new Error(`${directory} belongs to another user`);
    if (uid !== own && (mode & 0o1000) === 0 && (mode & 0o022) !== 0) {
      throw new Error(`anybody may change ${directory}`);
    }
  } catch (error) {
    throw new BatonError('SOCKET_UNUSABLE', { path, problem: (error as Error).message }, error);
  }
}

/** A connect of the wrong type fails with EPROTOTYPE, which also means that somebody is there. */
async function isListening(path: string): Promise<boolean> {
  try {
    closeFd(connectSeqpacket(path));
    return true;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === 'EPROTOTYPE') return await streamListens(path);
    return error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT';
  }
}

function streamListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
