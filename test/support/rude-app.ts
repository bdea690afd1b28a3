/**
 * A server under a head whose application has put code of its own, which throws, where Baton calls. It handles
 * `uncaughtException`, and answers one request after another on a connection.
 * Usage: node rude-app.ts SOCKET WHAT     WHAT: destroy, emit, listeners, limit, address
 * /leave closes the receiver within a second and says on stdout what came of it.
 */
import type { Socket } from 'node:net';
import { receiveConnections } from '../../delivery/index.ts';
import { createServer } from '../../shared/node-http.ts';

const [, , head, what] = process.argv as [string, string, string, string];

let uncaught = 0;
process.on('uncaughtException', () => uncaught++);
const fail = (): never => {
  throw new Error(what);
};

let came = 0;
const server = createServer((request, response) => {
  response.end('hello');
  if (request.url !== '/leave') return;
  const from = performance.now();
  const { connections: before } = receiver;
  receiver.close(1000).then(
    () => {
      const ms = Math.round(performance.now() - from);
      const { connections } = receiver;
      console.log(JSON.stringify({ ms, before, connections, uncaught }));
    },
    (error: Error) => console.log(JSON.stringify({ failed: error.message })),
  );
});

/** For every second connection. */
const rudely = <R>(usual: () => R): R => (came++ % 2 === 0 ? fail() : usual());

const rude: Record<string, () => void> = {
  /** The first half of the connections, so that others come after them in every list. */
  destroy: () =>
    server.on('connection', (socket: Socket) => {
      if (came++ < 5) socket.destroy = fail;
    }),
  emit: () => {
    const { emit } = server;
    server.emit = (event: string, ...rest: unknown[]) => {
      const usual = () => (emit as (...all: unknown[]) => boolean).call(server, event, ...rest);
      return event === 'connection' ? rudely(usual) : usual();
    };
  },
  listeners: () => {
    server.listeners = fail;
  },
  limit: () => Object.defineProperty(server, 'maxConnections', { get: () => rudely(() => undefined) }),
  address: () => {
    setImmediate(() => {
      server.address = fail;
    });
  },
};
const make = rude[what] as () => unknown;

const receiver = receiveConnections(server, { name: 'rude', head });
make();
await receiver.ready;
console.log(JSON.stringify({ ready: receiver.name }));
process.on('SIGTERM', () => process.exit());
