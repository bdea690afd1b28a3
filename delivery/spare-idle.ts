/**
 * An HTTP server that is closed closes what is idle, at once (lib/_http_server.js, httpServerPreClose), and so do programs that ask it
 * to. What is about to move is spared that.
 */
import type { Server, Socket } from 'node:net';
import { apart } from './apart.ts';
import { cover } from './cover.ts';
import { idleSocketsOf } from './http-connections.ts';

type Spared = (socket: Socket) => boolean;
type HttpServer = Server & { closeIdleConnections?(): void };

/** A server, those who have something of it to spare, and what ends that. */
const sparing = new WeakMap<Server, { readonly all: Set<Spared>; readonly uncover: () => void }>();

/** Spares those for which `isSpared` holds, until the answer is called. */
export function spareIdle(server: HttpServer, isSpared: Spared): () => void {
  if (!server.closeIdleConnections) return () => {};
  const { all, uncover } = sparing.get(server) ?? coverIdle(server);
  all.add(isSpared);
  return () => {
    all.delete(isSpared);
    if (all.size > 0 || sparing.get(server)?.all !== all) return;
    sparing.delete(server);
    uncover();
  };
}

function coverIdle(server: HttpServer): { all: Set<Spared>; uncover: () => void } {
  const closeIdle = server.closeIdleConnections!;
  const all = new Set<Spared>();
  const uncover = cover(server, 'closeIdleConnections', function closeOthers(this: HttpServer) {
    // Somebody may have covered it since, and calls it still.
    if (all.size === 0) return closeIdle.call(this);
    const isSpared = (socket: Socket) => [...all].some((spared) => spared(socket));
    for (const socket of idleSocketsOf(this)) apart(() => void (isSpared(socket) || socket.destroy()));
  });
  const covered = { all, uncover };
  sparing.set(server, covered);
  return covered;
}
