/** The fd of a server or a socket of Node's, which Node itself does not show: it stays Node's. */
import type { Server, Socket } from 'node:net';

export function listenerOf(server: Server | Socket): number {
  const { _handle: handle } = server as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}
