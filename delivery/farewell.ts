/**
 * How an HTTP server takes leave of its connections: the next answer on each says `Connection: close`, so that its client
 * knows that no other comes, and those that nothing has been heard of for a while are closed.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { EAGAIN } from '../shared/sys/libc.ts';
import { allocate } from '../shared/sys/memory.ts';
import { peek, silentMs } from '../shared/sys/sockets.ts';
import { apart } from './apart.ts';
import { type AnyHttpServer, answerOn, fdOf, idleSocketsOf, isHttp, socketsOf } from './http-connections.ts';

/**
 * A client that asks one thing after the other gets as long as this for its next request, whose answer tells it.
 * To close a connection on which a request is on its way would lose that request.
 */
const QUIET_MS = 250;
const LOOK_EVERY_MS = 50;
const oneByte = allocate(1);
/** Also of requests that are answered without a `request` event, as those with Expect. */
const REQUEST = 'http.server.request.start';

interface Started {
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly server: Server;
}

export interface Farewell {
  /** Stops; connections that were told are told. */
  end(): void;
}

/** Takes leave of the connections of `server` for which `concerns` holds. Does nothing for one that does not speak HTTP. */
export function sayFarewell(server: Server, concerns: (socket: Socket) => boolean): Farewell {
  return isHttp(server) ? new HttpFarewell(server, concerns) : { end: () => {} };
}

class HttpFarewell implements Farewell {
  readonly #server: AnyHttpServer;
  readonly #concerns: (socket: Socket) => boolean;
  readonly #timer: NodeJS.Timeout;
  /** Connections that have never said a word, and when that was first seen. */
  readonly #silentSince = new WeakMap<Socket, number>();
  /** For each connection, the answer that was told to be its last. */
  readonly #last = new WeakMap<Socket, ServerResponse>();

  constructor(server: AnyHttpServer, concerns: (socket: Socket) => boolean) {
    this.#server = server;
    this.#concerns = concerns;
    subscribe(REQUEST, this.#onRequest);
    for (const socket of socketsOf(server))
      apart(() => {
        const answer = answerOn(socket);
        if (answer && concerns(socket)) this.#tell(socket, answer);
      });
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  readonly #onRequest: Parameters<typeof subscribe>[1] = (message) => {
    const { response, socket, server } = message as Started;
    if (server !== this.#server || !this.#concerns(socket)) return;
    // With pipelined requests the last answer is another one now: what comes after a `Connection: close` is thrown away.
    const before = this.#last.get(socket);
    if (before && !before.headersSent) before.shouldKeepAlive = true;
    this.#tell(socket, response);
  };

  #tell(socket: Socket, answer: ServerResponse): void {
    if (answer.headersSent) return;
    answer.shouldKeepAlive = false;
    this.#last.set(socket, answer);
  }

  #look(): void {
    for (const socket of idleSocketsOf(this.#server))
      apart(() => {
        if (this.#concerns(socket) && isQuiet(socket)) socket.destroy();
      });
    const now = performance.now();
    for (const socket of socketsOf(this.#server)) apart(() => this.#lookAtSilent(socket, now));
  }

  #lookAtSilent(socket: Socket, now: number): void {
    if (socket.bytesRead > 0 || !this.#concerns(socket)) return;
    // It may have waited in the accept queue while this process was stopped, and its client as well.
    const since = this.#silentSince.get(socket);
    if (since === undefined) this.#silentSince.set(socket, now);
    else if (now - since >= QUIET_MS && isQuiet(socket)) socket.destroy();
  }

  end(): void {
    clearInterval(this.#timer);
    unsubscribe(REQUEST, this.#onRequest);
  }
}

/** For long enough, and nothing has arrived that this process has not read. */
function isQuiet(socket: Socket): boolean {
  const fd = fdOf(socket);
  return fd < 0 || (silentMs(fd) >= QUIET_MS && peek(fd, oneByte, 0, 1) === EAGAIN);
}
