import { createHash } from 'node:crypto';
import { createServer as createHttpsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type WebSocket, WebSocketServer } from 'ws';
import type { VisitOptions } from '../../../infra/visits/options.ts';
import { phaseNames } from '../../../infra/visits/phases.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';
import { createAuthority } from '../../support/authority.ts';
import { listen, serveTcp } from '../../support/tls-servers.ts';

const authority = createAuthority();
const pair = authority.issue(['localhost']);
test.after.always(() => authority.remove());

const short = { rate: 50, durationMs: 200 };
const visit = (url: string, options: Partial<VisitOptions> = {}) =>
  runVisits({ urls: [url], ...short, tls: { ca: authority.ca }, timeoutMs: 20_000, ...options });

const echo = (socket: WebSocket) =>
  void socket.on('message', (bytes, binary) => socket.send(bytes, { binary }));

function talk(t: ExecutionContext, onSocket: (socket: WebSocket) => void, server: Server = createServer()) {
  const sockets = new WebSocketServer({ server: server as import('node:http').Server });
  sockets.on('connection', (socket) => {
    socket.on('error', () => {});
    onSocket(socket);
  });
  return listen(t, server);
}

for (const scheme of ['ws', 'wss'] as const) {
  test(`each message over ${scheme} is timed, and the visit is whole when the last has come back`, async (t) => {
    const codes: number[] = [];
    const port = await talk(
      t,
      (socket) => {
        socket.on('close', (code) => codes.push(code));
        socket.on('message', (bytes, binary) => setTimeout(() => socket.send(bytes, { binary }), 20));
      },
      scheme === 'ws' ? createServer() : createHttpsServer(pair),
    );
    const result = await visit(`${scheme}://localhost:${port}/a?b=c`, { messagesPerVisit: 3 });
    t.like(result, { visits: 10, succeeded: 10, connections: 10, requests: 10 });
    t.deepEqual(result.statuses, { 101: 10 });
    t.is(result.messages?.answered, 30);
    t.true(result.messages!.roundTrip.min >= 19_000, `${result.messages!.roundTrip.min}`);
    t.true(result.phases.moreRequests.min >= 57_000, `${result.phases.moreRequests.min}`);
    t.is(result.tls?.handshakes, scheme === 'ws' ? undefined : 10);
    const parts = phaseNames.reduce((sum, name) => sum + result.phases[name].mean, 0);
    t.true(Math.abs(parts - result.latency.mean) < 0.01 * result.latency.mean + 10, `${parts}`);
    t.true(codes.length > 0 && codes.every((code) => code === 1000), `${codes}`);
  });
}

test('a user and a password are sent with the request for a WebSocket', async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer();
  server.on('upgrade', ({ headers }) => seen.push(headers.authorization));
  const port = await talk(t, echo, server);
  const result = await visit(`ws://me:secret@localhost:${port}/`);
  t.is(result.succeeded, 10);
  t.deepEqual(new Set(seen), new Set([`Basic ${Buffer.from('me:secret').toString('base64')}`]));
  t.deepEqual(result.urls, [`ws://localhost:${port}/`]);
});

test('pings are answered, and messages in fragments are read', async (t) => {
  const port = await talk(t, (socket) => {
    let pongs = 0;
    socket.on('pong', () => pongs++);
    socket.on('message', (bytes) => {
      socket.ping('are you there?', false, () => {
        const text = bytes.toString();
        const send = () => {
          socket.send(text.slice(0, 3), { fin: false });
          socket.send(text.slice(3), { fin: true });
        };
        socket.once('pong', send);
      });
    });
  });
  t.like(await visit(`ws://localhost:${port}/`, { messagesPerVisit: 3 }), { succeeded: 10, failed: 0 });
});

/** Upgrades as it should, and then sends what it likes. */
const upgrade = (t: ExecutionContext, behave: (socket: Socket) => void) =>
  serveTcp(t, (socket) => {
    socket.once('data', (bytes) => {
      const key = /sec-websocket-key: (\S+)/i.exec(bytes.toString('latin1'))![1]!;
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      behave(socket);
    });
  });

const failing: [string, string, (t: ExecutionContext) => Promise<number>, Partial<VisitOptions>?][] = [
  [
    'not_upgraded',
    'an answer in HTTP',
    (t) =>
      listen(
        t,
        createServer((_, answer) => answer.end('no')),
      ),
  ],
  [
    'not_upgraded',
    'a redirect, which WebSocket clients do not follow',
    (t) =>
      listen(
        t,
        createServer((_, answer) => answer.writeHead(307, { location: '/' }).end()),
      ),
  ],
  [
    'not_upgraded',
    'a 101 that upgrades to nothing',
    (t) =>
      serveTcp(
        t,
        (socket) =>
          void socket.once('data', () => socket.write('HTTP/1.1 101 Go\r\nUpgrad: websocket\r\n\r\n')),
      ),
  ],
  [
    'status_4xx',
    'a 403',
    (t) =>
      listen(
        t,
        createServer((_, answer) => answer.writeHead(403).end()),
      ),
  ],
  [
    'status_5xx',
    'a 503 that never ends',
    (t) =>
      listen(
        t,
        createServer((_, answer) => void answer.writeHead(503).write('x')),
      ),
  ],
  [
    'bad_answer',
    'an upgrade with the wrong answer to the key',
    (t) =>
      serveTcp(
        t,
        (socket) =>
          void socket.once('data', () =>
            socket.write(
              'HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
            ),
          ),
      ),
  ],
  [
    'bad_answer',
    'an answer that is not HTTP',
    (t) =>
      serveTcp(t, (socket) => void socket.once('data', () => socket.write('220 mail.example ESMTP\r\n'))),
  ],
  [
    'closed_early',
    'a connection that ends before the answer',
    (t) => serveTcp(t, (socket) => void socket.once('data', () => socket.end())),
  ],
  [
    'closed_early',
    'a server that closes instead of sending back',
    (t) => talk(t, (socket) => void socket.on('message', () => socket.close(1001))),
  ],
  [
    'closed_early',
    'a connection that ends without a word',
    (t) => talk(t, (socket) => void socket.on('message', () => socket.terminate())),
  ],
  [
    'bad_message',
    'a frame that is masked',
    (t) => upgrade(t, (socket) => void socket.write(Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5]))),
  ],
  [
    'bad_message',
    'a frame longer than any echo',
    (t) => upgrade(t, (socket) => void socket.write(Buffer.from([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]))),
  ],
  ['timeout', 'a server that sends nothing back', (t) => talk(t, () => {}), { timeoutMs: 2000 }],
  ['timeout', 'a request that is not answered', (t) => serveTcp(t, () => {}), { timeoutMs: 1500 }],
  [
    'no_echo',
    'a server that says something else',
    (t) => talk(t, (socket) => void socket.on('message', () => socket.send('hello'))),
    { timeoutMs: 2000 },
  ],
  [
    'no_echo',
    'a server that never stops to say something else',
    (t) =>
      upgrade(t, (socket) => {
        const more = () =>
          socket.destroyed || void socket.write(Buffer.from([0x81, 1, 0x78]), () => setTimeout(more, 5));
        more();
      }),
    { timeoutMs: 2000 },
  ],
];
for (const [name, what, start, options] of failing) {
  test(`on a WebSocket, ${what} is counted as ${name}`, async (t) => {
    const port = await start(t);
    const result = await visit(`ws://localhost:${port}/`, { durationMs: 100, ...options });
    t.deepEqual(result.failures, { [name]: 5 });
    t.like(result, { visits: 5, succeeded: 0 });
  });
}
