/**
 * What Node's HTTP servers know of their connections and have no public name for. Each function does without where a
 * release of Node should lack it.
 */
import type * as http from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import { Server as HttpServer } from '../shared/node-http.ts';

export type AnyHttpServer = http.Server | HttpsServer;

export const isHttp = (server: Server): server is AnyHttpServer =>
  server instanceof HttpServer || server instanceof HttpsServer;

/** lib/_http_server.js, ConnectionsList: of the parsers of a server's connections. */
interface ConnectionsList {
  all(): { readonly socket: Socket }[];
  /** Between two requests. */
  idle(): { readonly socket: Socket }[];
}

function listOf(server: AnyHttpServer): ConnectionsList | undefined {
  const symbols = Object.getOwnPropertySymbols(server);
  const symbol = symbols.find(({ description }) => description === 'http.server.connections');
  return symbol && (server as unknown as Record<symbol, ConnectionsList | undefined>)[symbol];
}

/**
 * A server keeps the list of its connections, and looks at their headersTimeout and requestTimeout, from `listening` on:
 * one that never listens begins here.
 */
export function trackConnections(server: AnyHttpServer): void {
  if (listOf(server)) return;
  for (const listener of server.listeners('listening'))
    if (listener.name === 'setupConnectionsTracking') listener.call(server);
}

export const socketsOf = (server: AnyHttpServer): Socket[] => sockets(listOf(server)?.all());
/** Those between two requests. */
export const idleSocketsOf = (server: AnyHttpServer): Socket[] =>
  sockets(listOf(server)?.idle()).filter((socket) => answerOn(socket)?.writableFinished ?? true);

const sockets = (parsers: { readonly socket: Socket }[] = []): Socket[] =>
  parsers.map(({ socket }) => socket).filter((socket) => socket && !socket.destroyed);

/** The answer that a connection is busy with, the first of them where requests are pipelined. */
export const answerOn = (socket: Socket): http.ServerResponse | undefined =>
  (socket as Socket & { _httpMessage?: http.ServerResponse | null })._httpMessage ?? undefined;

/** Negative when it has none. */
export const fdOf = (handled: Socket | Server): number =>
  (handled as { _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
