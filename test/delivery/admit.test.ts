import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { BlockList, connect, createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { Admission } from '../../delivery/admit.ts';
import { Connections } from '../../delivery/connections.ts';
import { createLogger } from '../../shared/log.ts';
import { createServer as createHttpServer } from '../../shared/node-http.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { bindReuseport } from '../../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listen } from '../../shared/sys/sockets.ts';

/** A server that can be reached directly, and to which connections that another listener has accepted are admitted. */
async function twins(t: ExecutionContext, server: Server, host = '127.0.0.1') {
  const ended: string[] = [];
  const connections = new Connections('d1', ({ id }) => ended.push(id));
  const admission = new Admission(server, connections, createLogger('test'));
  server.listen(0, host);
  await once(server, 'listening');
  const { fds, bound } = await bindReuseport({ host, port: 0 }, 1);
  listen(fds[0]!, 16);
  const clients: Socket[] = [];
  t.teardown(() => {
    for (const client of clients) client.destroy();
    closeFd(fds[0]!);
    server.close();
  });
  const open = async (port: number): Promise<Socket> => {
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {});
    clients.push(client);
    await once(client, 'connect');
    return client;
  };
  let count = 0;
  return {
    connections,
    admission,
    ended,
    /** One that the server accepts itself. */
    accepted: () => open((server.address() as AddressInfo).port),
    /** One that is handed over to it. */
    async adopted(): Promise<Socket> {
      const client = await open(bound.port);
      connections.expect(1);
      const id = String(count++);
      const arrival = { id, transport: 'fd', closed: () => true } as const;
      admission.admit(admission.adopt(acceptNonBlocking(fds[0]!), arrival)!, EAGAIN, arrival);
      return client;
    },
  };
}

/** What a server's listeners see of a socket. */
function look(socket: Socket & { server?: unknown; _server?: unknown }, server: Server) {
  const { allowHalfOpen, bytesRead, bytesWritten, connecting, destroyed, pending, readyState, timeout } =
    socket;
  const { localAddress, localFamily, remoteAddress, remoteFamily, readableFlowing, readableLength } = socket;
  const { readableHighWaterMark, writableHighWaterMark, readable, writable } = socket;
  return {
    ...{ allowHalfOpen, bytesRead, bytesWritten, connecting, destroyed, pending, readyState, timeout },
    ...{ localAddress, localFamily, remoteAddress, remoteFamily, readableFlowing, readableLength },
    ...{ readableHighWaterMark, writableHighWaterMark, readable, writable, isPaused: socket.isPaused() },
    belongs: socket.server === server && socket._server === server,
  };
}

/** The kernel's timer of the connection of this client, at the server's end: keepalive, how long it is, or none. */
async function timerOf(client: Socket): Promise<string> {
  const { stdout } = await execa('ss', [
    '-Htno',
    'sport',
    '=',
    `:${client.remotePort}`,
    'dport',
    '=',
    `:${client.localPort}`,
  ]);
  return (
    /timer:\((\w+),(\d+)/
      .exec(stdout)
      ?.slice(1, 3)
      .join(' ')
      .replace(/(\d)\d*$/, '$1') ?? 'none'
  );
}

for (const [what, create] of [
  ['a plain server', () => createServer()],
  ['an HTTP server', () => createHttpServer()],
  ['a server that allows half-open connections', () => createServer({ allowHalfOpen: true })],
  ['a server that pauses connections', () => createServer({ pauseOnConnect: true })],
  ['a server with another high-water mark', () => createServer({ highWaterMark: 1234 })],
  ['a server that keeps alive', () => createServer({ keepAlive: true, keepAliveInitialDelay: 50_000 })],
  [
    'an HTTP server that keeps alive',
    () => createHttpServer({ keepAlive: true, keepAliveInitialDelay: 50_000 }),
  ],
  ['a server that sends small packets at once', () => createServer({ noDelay: true })],
  ['an HTTP server with a timeout', () => createHttpServer().setTimeout(12_345)],
] as const) {
  test(`to ${what} a connection that was handed over is as one that it accepted`, async (t) => {
    const server: Server = create();
    const { accepted, adopted } = await twins(t, server);
    const seen: object[] = [];
    server.on('connection', (socket: Socket) => {
      seen.push(look(socket, server));
      socket.on('error', () => {});
    });
    const clients = [await accepted(), await adopted()];
    if (seen.length < 2) await once(server, 'connection');
    t.is(seen.length, 2);
    t.deepEqual(seen[1], seen[0]);
    t.is(await timerOf(clients[1]!), await timerOf(clients[0]!));
  });
}

test('connections beyond maxConnections are dropped, whoever accepted them, and the account is one', async (t) => {
  const server = createServer();
  server.maxConnections = 2;
  const { accepted, adopted, admission, connections, ended } = await twins(t, server);
  const drops: object[] = [];
  server.on('drop', (data) => drops.push(data!));
  const first = once(server, 'connection');
  await accepted();
  await first;
  await adopted();
  t.is(admission.direct, 1);
  const count = await new Promise((resolve) => server.getConnections((_, n) => resolve(n)));
  t.is(count, 2);
  const over = await adopted();
  const { localPort, remotePort } = over;
  over.resume();
  await once(over, 'close');
  t.like(drops[0], {
    localAddress: '127.0.0.1',
    localPort: remotePort,
    localFamily: 'IPv4',
    remoteAddress: '127.0.0.1',
    remotePort: localPort,
    remoteFamily: 'IPv4',
  });
  const directly = await accepted();
  directly.resume();
  await once(directly, 'close');
  t.deepEqual(Object.keys(drops[1]!).sort(), Object.keys(drops[0]!).sort());
  t.is(connections.count, 1);
  t.deepEqual(ended, ['1']);
});

test('clients on the block list are turned away without a word to the application', async (t) => {
  const blockList = new BlockList();
  blockList.addAddress('127.0.0.1');
  const server = createServer({ blockList } as object, () => t.fail());
  const { adopted, connections } = await twins(t, server);
  const client = await adopted();
  client.resume();
  await once(client, 'close');
  t.is(connections.count, 0);
});

test.serial('the diagnostics channel for servers tells of connections that were handed over', async (t) => {
  const server = createServer();
  const { adopted } = await twins(t, server);
  const seen: unknown[] = [];
  const onSocket = (message: unknown) => seen.push((message as { socket: unknown }).socket);
  const connection = new Promise((resolve) => server.once('connection', resolve));
  channel('net.server.socket').subscribe(onSocket);
  t.teardown(() => channel('net.server.socket').unsubscribe(onSocket));
  await adopted();
  t.deepEqual(seen, [await connection]);
});

test('a server that closes waits for connections that were handed over', async (t) => {
  const server = createServer();
  const { adopted } = await twins(t, server);
  const client = await adopted();
  let isClosed = false;
  const closed = new Promise<void>((resolve) =>
    server.close(() => {
      isClosed = true;
      resolve();
    }),
  );
  await new Promise(setImmediate);
  t.false(isClosed);
  client.destroy();
  await closed;
});
