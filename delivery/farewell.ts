/**
 * How an HTTP server takes leave of its connections, plain or encrypted. Of HTTP/1: the next answer on each says
 * `Connection: close`, so that its client knows that no other comes, and those that nothing has been heard of for a while
 * are closed. Of HTTP/2: farewell-sessions.ts.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { apart } from './apart.ts';
import { SessionsFarewell } from './farewell-sessions.ts';
import { answerOn, idleSocketsOf, socketsOf, speaksHttp1, speaksHttp2 } from './http-connections.ts';
import { isQuiet, QUIET_MS } from './quiet.ts';

const LOOK_EVERY_MS = 50;
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

/**
 * Takes leave of the connections of `server` for which `concerns` holds; a server may speak both versions of HTTP. Does
 * nothing for one that speaks neither, nor for connections in the midst of a TLS handshake: they are told when they speak.
 */
export function sayFarewell(server: Server, concerns: (socket: Socket) => boolean): Farewell {
  const farewells: Farewell[] = [];
  if (speaksHttp1(server)) farewells.push(new HttpFarewell(server, concerns));
  if (speaksHttp2(server)) farewells.push(new SessionsFarewell(server, concerns));
  return {
    end() {
      for (const farewell of farewells) farewell.end();
    },
  };
}

class HttpFarewell implements Farewell {
  readonly #server: Server;
  readonly #concerns: (socket: Socket) => boolean;
  readonly #timer: NodeJS.Timeout;
  /** Connections that have never said a word, and when that was first seen. */
  readonly #silentSince = new WeakMap<Socket, number>();
  /** Of each connection, the answer that was told to be its last. */
  readonly #last = new WeakMap<Socket, ServerResponse>();

  constructor(server: Server, concerns: (socket: Socket) => boolean) {
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
