/**
 * What Node's HTTP servers know of their connections and have no public name for. Each function does without where a
 * release of Node should lack it.
 */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';

/** lib/_http_server.js, ConnectionsList: of the parsers of a server's connections. */
interface ConnectionsList {
  all(): { readonly socket: Socket }[];
  /** Between two requests. */
  idle(): { readonly socket: Socket }[];
}

const bySymbol = <T>(server: Server, name: string): T | undefined => {
  const symbols = Object.getOwnPropertySymbols(server);
  const symbol = symbols.find(({ description }) => description === name);
  return symbol && (server as unknown as Record<symbol, T | undefined>)[symbol];
};

const listOf = (server: Server) => bySymbol<ConnectionsList>(server, 'http.server.connections');

/**
 * A server that speaks HTTP/1, alone or beside HTTP/2, keeps the list of its connections, and looks at their headersTimeout
 * and requestTimeout, from `listening` on: one that never listens begins here. Does nothing for any other.
 */
export function trackConnections(server: Server): void {
  trackSessions(server);
  if (listOf(server)) return;
  for (const listener of server.listeners('listening'))
    if (listener.name === 'setupConnectionsTracking') listener.call(server);
}

/** A tls.Server, as https's and http2's secure ones are. */
export const speaksTls = (server: Server): boolean =>
  typeof (server as { setSecureContext?: unknown }).setSecureContext === 'function';
export const speaksHttp1 = (server: Server): boolean => listOf(server) !== undefined;
/** Its class has no public name, and to import node:http2 would cost everybody. */
export const speaksHttp2 = (server: Server): boolean =>
  typeof (server as { updateSettings?: unknown }).updateSettings === 'function';

/** Those of an HTTP/1 server's that speak HTTP/1. */
export const socketsOf = (server: Server): Socket[] => sockets(listOf(server)?.all());
/** Those between two requests. */
export const idleSocketsOf = (server: Server): Socket[] =>
  sockets(listOf(server)?.idle()).filter((socket) => answerOn(socket)?.writableFinished ?? true);

const sockets = (parsers: { readonly socket: Socket }[] = []): Socket[] =>
  parsers.map(({ socket }) => socket).filter((socket) => socket && !socket.destroyed);

/** Where Node does not keep them (before Node 24): sessions that have begun since the server was tracked. */
const tracked = new WeakMap<Server, Set<ServerHttp2Session>>();

function trackSessions(server: Server): void {
  if (!speaksHttp2(server) || keptSessions(server) || tracked.has(server)) return;
  const sessions = new Set<ServerHttp2Session>();
  tracked.set(server, sessions);
  server.prependListener('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
}

/** lib/internal/http2/core.js, kSessions. */
const keptSessions = (server: Server) => bySymbol<Set<ServerHttp2Session>>(server, 'sessions');

/** An HTTP/2 server's, those that are open. */
export const sessionsOf = (server: Server): ServerHttp2Session[] =>
  [...(keptSessions(server) ?? tracked.get(server) ?? [])].filter((session) => !session.destroyed);

/** The answer that a connection is busy with, the first of them where requests are pipelined. */
export const answerOn = (socket: Socket): ServerResponse | undefined =>
  (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;

/** lib/_http_server.js, of a connection that an HTTP/1 server has. */
interface Spoken {
  readonly parser?: object | null;
  /** It has more answers to give than can be written. */
  readonly _paused?: boolean;
}

/** Calls `messageBegins` of its watcher with each request that it begins to read from now on; false where it has no parser. */
export function tellOfRequests(socket: Socket): boolean {
  const { parser } = socket as Spoken;
  if (parser) (parser as Parser)[MESSAGE_BEGIN] = tellWatcher;
  return !!parser;
}

/** lib/_http_common.js: a parser's callbacks are its elements. */
interface Parser {
  [MESSAGE_BEGIN]: unknown;
  readonly socket?: { readonly watcher?: { messageBegins(): void } | undefined } | null;
}
const MESSAGE_BEGIN = 0;
/** Parsers are used again, by sockets that nobody watches as well. */
function tellWatcher(this: Parser): void {
  this.socket?.watcher?.messageBegins();
}

/** Of a server's, and not upgraded since. */
export const isHttp1 = (socket: Socket): boolean => !!(socket as Spoken).parser;

/**
 * Those on which nothing has begun that has not ended: no part of a request has come, and all answers are written. A connection
 * that has never said a word counts as busy to Node, whose clock runs for its first request.
 */
export function socketsBetweenRequests(server: Server): ReadonlySet<Socket> {
  const silent = socketsOf(server).filter((socket) => socket.bytesRead === 0);
  return new Set(
    [...idleSocketsOf(server), ...silent].filter(
      (socket) => !(socket as Spoken)._paused && !answerOn(socket),
    ),
  );
}

/** It has more to write than its client takes, and does not read on for that. */
export const isPaused = (socket: Socket): boolean => (socket as Spoken)._paused === true;

/** Negative when it has none. */
export const fdOf = (handled: Socket | Server): number =>
  (handled as { _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
