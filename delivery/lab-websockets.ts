/** The lab application's WebSocket side: every message comes back as it came, compressed where the client offers that. */
import { type IncomingMessage, type RequestListener, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { WebSocketServer } from 'ws';

/** Bytes of one message, at most. */
const MESSAGE_MAX = 2 ** 20;

const wantsWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket';

/** At any path. `ws` is loaded when the first such client comes: most have none, and an installed package need not have it. */
export function echoWebSockets(server: Server, app: RequestListener): { destroyAll(): void } {
  /** The server lets go of them. */
  const open = new Set<Socket>();
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
      loaded.handleUpgrade(request, socket, head, (client) => {
        client.on('error', () => {});
        client.on('message', (data, binary) => client.send(data, { binary }));
      });
    });
  });
  return {
    destroyAll() {
      for (const socket of open) socket.destroy();
    },
  };
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
