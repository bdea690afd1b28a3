/**
 * How an HTTP server takes leave of its connections: the next answer on each says `Connection: close`, so that its client
 * knows that no other comes, and those that nothing has been heard of for a while are closed.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { silentMs } from '../shared/sys/sockets.ts';
import { type AnyHttpServer, answerOn, fdOf, idleSocketsOf, isHttp, socketsOf } from './http-connections.ts';

/**
 * A client that asks one thing after the other gets as long as this for its next request, whose answer tells it.
 * To close a connection on which a request is on its way would lose that request.
 */
const QUIET_MS = 250;
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

/** Takes leave of the connections of `server` for which `concerns` holds. Does nothing for one that does not speak HTTP. */
export function sayFarewell(server: Server, concerns: (socket: Socket) => boolean): Farewell {
  return isHttp(server) ? new HttpFarewell(server, concerns) : { end: () => {} };
}

class HttpFarewell implements Farewell {
  readonly #server: AnyHttpServer;
  readonly #concerns: (socket: Socket) => boolean;
  readonly #timer: NodeJS.Timeout;
  /** Of each connection, the answer that was told to be its last. */
  readonly #last = new WeakMap<Socket, ServerResponse>();

  constructor(server: AnyHttpServer, concerns: (socket: Socket) => boolean) {
    this.#server = server;
    this.#concerns = concerns;
    subscribe(REQUEST, this.#onRequest);
    for (const socket of socketsOf(server)) {
      const answer = answerOn(socket);
      if (answer && concerns(socket)) this.#tell(socket, answer);
    }
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

  /** After the poll for events: what has arrived by now has been read. */
  #look(): void {
    setImmediate(() => {
      const idle = idleSocketsOf(this.#server);
      const silent = socketsOf(this.#server).filter((socket) => socket.bytesRead === 0);
      for (const socket of new Set([...idle, ...silent]))
        if (this.#concerns(socket) && isQuiet(socket)) socket.destroy();
    });
  }

  end(): void {
    clearInterval(this.#timer);
    unsubscribe(REQUEST, this.#onRequest);
  }
}

function isQuiet(socket: Socket): boolean {
  const fd = fdOf(socket);
  return fd < 0 || silentMs(fd) >= QUIET_MS;
}
