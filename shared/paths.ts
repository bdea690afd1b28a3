/** Where the head's sockets are when nobody says otherwise. */
import { lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BatonError } from './errors.ts';

/** Root's is /run/baton; a user's is in their runtime directory (XDG), else in the temporary folder under their uid. */
export function runtimeDirectory(): string {
  if (process.getuid!() === 0) return '/run/baton';
  const own = process.env.XDG_RUNTIME_DIR;
  if (own) return join(own, 'baton');
  return join(process.env.TMPDIR ?? '/tmp', `baton-${process.getuid!()}`);
}

export const defaultSocketPath = (): string => join(runtimeDirectory(), 'head.sock');

/**
 * The same for who connects there. In a temporary folder anybody can make the folder of another user first, and be the head in
 * it: throws SOCKET_UNUSABLE for one that is neither this user's nor root's.
 */
export function trustedSocketPath(): string {
  const path = defaultSocketPath();
  const folder = dirname(path);
  const owner = lstatSync(folder, { throwIfNoEntry: false })?.uid ?? 0;
  if (owner === 0 || owner === process.getuid!()) return path;
  const problem = `user ${owner} has made ${folder}, and may be who answers there; name the head's socket yourself`;
  throw new BatonError('SOCKET_UNUSABLE', { path, problem });
}

/** The admin socket of the head whose deliveries' socket is at `socket`: `head.sock` -> `head.admin.sock`. */
export const adminPathFor = (socket: string): string => `${socket.replace(/\.sock$/, '')}.admin.sock`;
