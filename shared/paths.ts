/** Where the head's sockets are when nobody says otherwise. */
import { join } from 'node:path';

/** Root's is /run/baton; a user's is in their runtime directory (XDG), else in the temporary folder under their uid. */
export function runtimeDirectory(): string {
  if (process.getuid!() === 0) return '/run/baton';
  const own = process.env.XDG_RUNTIME_DIR;
  if (own) return join(own, 'baton');
  return join(process.env.TMPDIR ?? '/tmp', `baton-${process.getuid!()}`);
}

export const defaultSocketPath = (): string => join(runtimeDirectory(), 'head.sock');

/** The admin socket of the head whose deliveries' socket is at `socket`: `head.sock` -> `head.admin.sock`. */
export const adminPathFor = (socket: string): string => `${socket.replace(/\.sock$/, '')}.admin.sock`;
