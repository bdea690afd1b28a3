/** The lab application's WebSocket side: every message comes back as it came, compressed where the client offers that. */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { WebSocket, WebSocketServer } from 'ws';
import { ServerResponse } from '../shared/node-http.ts';
import type { ReceiveOptions } from './receive-options.ts';

/** Bytes of one message, at most. */
const MESSAGE_MAX = 2 ** 20;

const wantsWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket';

/** At any path. `ws` is loaded when the first such client comes: most have none, and an installed package need not have it. */
export function echoWebSockets(server: Server, app: RequestListener): EchoedWebSockets {
  /** The server lets go of them. */
  const open = new Set<Socket>();
  const clients = new WeakMap<Socket, WebSocket>();
  let sockets: Promise<WebSocketServer | undefined> | undefined;
  // Since Node 24: any other request that offers an upgrade is a request as if it did not.
  (server as { shouldUpgradeCallback?: unknown }).shouldUpgradeCallback = wantsWebSocket;
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (!wantsWebSocket(request)) return answer(request, socket, app);
    // Until it is a WebSocket's: nobody else would hear that its client has gone.
    socket.on('error', () => {});
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    sockets ??= load();
    void sockets.then((loaded) => {
      if (!loaded) return refuse(socket);
      loaded.handleUpgrade(request, socket, head, (client) => echo(socket, client));
    });
  });
  function echo(socket: Socket, client: WebSocket): void {
    clients.set(socket, client);
    client.on('error', () => {});
    client.on('message', (data, binary) => client.send(data, { binary }));
  }
  return {
    onMove(socket) {
      const client = clients.get(socket);
      return client && isBetweenMessages(client) ? { websocket: true } : 'not-now';
    },
    onMoved(socket) {
      socket.on('error', () => {});
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      sockets ??= load();
      void sockets.then((loaded) => {
        if (!loaded) return socket.destroy();
        const client = new loaded.options.WebSocket!(null as never, undefined, {
          closeTimeout: CLOSE_WITHIN_MS,
        } as object) as Resumed;
        client.setSocket(socket, Buffer.alloc(0), { maxPayload: MESSAGE_MAX, skipUTF8Validation: false });
        echo(socket, client);
      });
    },
    sayGoodbye() {
      for (const socket of open) {
        const client = clients.get(socket);
        if (client?.extensions !== '') client?.close(GOING_AWAY);
      }
    },
    destroyAll() {
      for (const socket of open) socket.destroy();
    },
  };
}

/** For a client's answer to a close, milliseconds; the default of `ws`. */
const CLOSE_WITHIN_MS = 30_000;
/** RFC 6455 section 7.4.1. */
const GOING_AWAY = 1001;

export interface EchoedWebSockets extends Required<Pick<ReceiveOptions, 'onMove' | 'onMoved'>> {
  /** Tells those that can never move to come back elsewhere. */
  sayGoodbye(): void;
  destroyAll(): void;
}

/** What `ws` has of its own, and no typings (lib/websocket.js, lib/receiver.js). */
type Resumed = WebSocket & {
  setSocket(socket: Socket, head: Buffer, options: { maxPayload: number; skipUTF8Validation: boolean }): void;
};
interface Internal {
  readonly _receiver?: {
    readonly writableLength: number;
    readonly _state: number;
    readonly _bufferedBytes: number;
    readonly _fragmented: number;
  };
}

/** Another one could go on: nothing of a message has come that has not all come, and no compressor remembers what was sent. */
function isBetweenMessages(client: WebSocket): boolean {
  const { _receiver: receiver } = client as unknown as Internal;
  return (
    client.readyState === client.OPEN &&
    client.extensions === '' &&
    client.bufferedAmount === 0 &&
    receiver?._state === 0 &&
    receiver.writableLength === 0 &&
    receiver._bufferedBytes === 0 &&
    receiver._fragmented === 0
  );
}

async function load(): Promise<WebSocketServer | undefined> {
  try {
    const { WebSocketServer: Sockets } = await import('ws');
    return new Sockets({ noServer: true, maxPayload: MESSAGE_MAX, perMessageDeflate: { threshold: 0 } });
  } catch {
    return undefined;
  }
}

/** Without the package. */
function refuse(socket: Socket): void {
  const text = 'WebSocket needs the package ws: npm install ws\n';
  socket.end(
    `HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
  );
}

/** Before Node 24: the server has let go of the connection, whose request ends with its answer. */
function answer(request: IncomingMessage, socket: Socket, app: RequestListener): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.end());
  app(request, response as never);
}
