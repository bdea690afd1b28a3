/**
 * A server of somebody's own under a head, which handles `uncaughtException` and is reachable directly as well. What its
 * application does is asked for by the path.
 * Usage: node own-app.ts SOCKET NAME OPTIONS     OPTIONS: those of receiveConnections, as JSON
 */
import { fork, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { receiveConnections } from '../../delivery/index.ts';
import { createServer } from '../../shared/node-http.ts';

if (process.send) {
  // The child to which connections are given.
  process.on('message', (what: string, socket: Socket | undefined) => {
    socket?.end(`HTTP/1.1 200 OK\r\nContent-Length: ${what.length}\r\nConnection: close\r\n\r\n${what}`);
  });
} else {
  serve(process.argv[2]!, process.argv[3]!, JSON.parse(process.argv[4] ?? '{}'));
}

function serve(head: string, name: string, options: object): void {
  let uncaught = 0;
  let begun = 0;
  let turns = 0;
  /** The most requests that began in one turn of the event loop. */
  let most = 0;
  let since = 0;
  process.on('uncaughtException', () => uncaught++);
  (function turn() {
    turns++;
    most = Math.max(most, begun - since);
    since = begun;
    setTimeout(() => setImmediate(turn), 0);
  })();
  const child = fork(import.meta.filename, { serialization: 'json' });
  const doors: Record<string, (response: ServerResponse, request: IncomingMessage) => void> = {
    ok: (response) => response.end('ok'),
    /** Throws at once. */
    boom: () => {
      throw new Error('boom');
    },
    /** 10 ms of work, then what needs a promise: how many requests had begun by then. */
    async: async (response) => {
      work(10);
      await null;
      response.end(String(begun));
    },
    work: (response) => {
      work(5);
      response.end('worked');
    },
    /** Throws when the connection has been closed. */
    'boom-at-close': (response, { socket }) => {
      socket.on('close', () => {
        throw new Error('boom at close');
      });
      response.end('ok');
    },
    'forget-close': (response, { socket }) => {
      socket.removeAllListeners('close');
      response.end('ok');
    },
    child: (_, { socket }) => void child.send('from the child', socket),
    'child-keeps': (_, { socket }) => {
      child.send('from the child', socket, { keepOpen: true });
      socket.destroy();
    },
    program: (_, { socket }) => {
      const answer = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfrom a program';
      spawn('printf', [answer], { stdio: ['ignore', socket, 'inherit'] });
      socket.destroy();
    },
    reset: (_, { socket }) => void socket.resetAndDestroy(),
    destroy: (_, { socket }) => void socket.destroy(),
  };
  const server = createServer((request, response) => {
    const door = doors[request.url!.slice(1)];
    if (door) {
      begun++;
      return door(response, request);
    }
    response.end(JSON.stringify({ uncaught, begun, turns, most, connections: receiver.connections }));
    most = 0;
  });
  server.listen(0, '127.0.0.1', 4096, () => {
    const { port } = server.address() as AddressInfo;
    receiver.ready.then(() => console.log(JSON.stringify({ ready: name, direct: `127.0.0.1:${port}` })));
  });
  const receiver = receiveConnections(server, { head, name, ...options });
  process.on('SIGTERM', () => {
    child.kill();
    process.exit();
  });
}

function work(millis: number): void {
  for (const until = performance.now() + millis; performance.now() < until; );
}
