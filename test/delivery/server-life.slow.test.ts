import '../support/traced.ts';

import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { execa } from 'execa';
import { createServer } from '../../shared/node-http.ts';
import { ask, askAndStay, oneHead } from '../support/one-head.ts';
import { open, send, sendOn } from '../support/raw-client.ts';

const head = oneHead(test);

test.serial(
  'two receivers of one server: each takes leave alone, and the server closes with both',
  async (t) => {
    const feed = head.feeding(t);
    const server = createServer((_request, response) => response.end('hello'));
    let closes = 0;
    server.on('close', () => closes++);
    const first = feed(server, { name: 'd1' });
    const second = feed(server, { name: 'd2' });
    await Promise.all([first.ready, second.ready]);
    for (let i = 0; i < 4; i++) t.is((await send(head.cluster.listen, ask)).status, 200);
    await first.close();
    t.is(closes, 0);
    t.true(second.registered);
    t.is((await send(head.cluster.listen, ask)).status, 200);
    const third = feed(server, { name: 'd1' });
    await third.ready;
    const closed = once(server, 'close');
    server.close();
    await closed;
    await Promise.all([second.close(), third.close()]);
    t.is(closes, 1);
    t.is((await send(head.cluster.listen, ask)).status, 503);
  },
);

test.serial(
  'a receiver of a server that is closed already serves it like one that never listened',
  async (t) => {
    const feed = head.feeding(t);
    const server = createServer((_request, response) => response.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    const receiver = feed(server, { name: 'd1' });
    await receiver.ready;
    t.is((await send(head.cluster.listen, ask)).status, 200);
    server.close();
    await head.untilState('down');
    await receiver.close();
  },
);

test.serial('a server that a request closes answers it, and takes leave', async (t) => {
  const feed = head.feeding(t);
  const server = createServer((_request, response) => {
    server.close();
    setTimeout(() => response.end('last'), 50);
  });
  const receiver = feed(server.listen(0, '127.0.0.1'), { name: 'd1' });
  await receiver.ready;
  const closed = once(server, 'close');
  const { status, headers, rest } = await sendOn(await open(head.cluster.listen), askAndStay);
  t.deepEqual([status, headers.connection, rest.toString()], [200, 'close', 'last']);
  await closed;
  await head.untilState('down');
  t.is(receiver.connections, 0);
});

test.serial('what waits in a lane when a server closes is answered by it, or by another', async (t) => {
  const feed = head.feeding(t);
  const answering = (body: string) => createServer((_request, response) => response.end(body));
  const leaving = answering('leaving');
  const staying = answering('staying');
  await feed(leaving, { name: 'd1' }).ready;
  await feed(staying, { name: 'd2' }).ready;
  await head.cluster.head.freeze();
  const clients = await Promise.all(Array.from({ length: 1000 }, () => open(head.cluster.listen)));
  const replies = clients.map((socket) => sendOn(socket, ask, { timeoutMs: 60_000 }));
  await head.cluster.head.resume();
  let seen = 0;
  leaving.once('request', () => {
    seen++;
    leaving.close();
  });
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  t.deepEqual([...new Set(statuses)], [200]);
  t.is(seen, 1);
  await head.untilState('down');
});

test.serial('an HTTP/2 server under a head serves who begins with its preface, and closes', async (t) => {
  const feed = head.feeding(t);
  const server = createHttp2Server((_request, response) => response.end('two'));
  const receiver = feed(server, { name: 'd1' });
  await receiver.ready;
  const session = connectHttp2(`http://${head.cluster.listen}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/' });
  const outcome = await Promise.race([
    once(stream, 'response').then(([headers]) => (headers as Record<string, number>)[':status']),
    once(session, 'close').then(() => 'closed'),
  ]);
  session.destroy();
  t.is(outcome, 200);
  server.close();
  await receiver.close();
});

for (const [what, make] of [
  ['an HTTPS server', () => createHttpsServer({}, () => {})],
  ['a TLS server', () => createTlsServer({}, () => {})],
] as const) {
  test.serial(`${what} under a head ends what is no TLS, as one that it accepted, and closes`, async (t) => {
    const feed = head.feeding(t);
    const server = make();
    const failed = once(server, 'tlsClientError');
    const receiver = feed(server, { name: 'd1' });
    await receiver.ready;
    const client = await open(head.cluster.listen);
    client.on('error', () => {});
    client.resume().write(ask);
    await Promise.all([failed, once(client, 'end')]);
    client.destroy();
    const closed = once(server, 'close');
    server.close();
    await closed;
    await head.untilState('down');
    t.is(receiver.connections, 0);
  });
}

test.serial(
  'a TCP server that allows half-open connections answers after its client has ended',
  async (t) => {
    const feed = head.feeding(t);
    const server = createNetServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      socket.resume().once('end', () => setTimeout(() => socket.end('HTTP/1.1 200 OK\r\n\r\nlate'), 50));
    });
    const receiver = feed(server, { name: 'd1' });
    await receiver.ready;
    const { status, rest } = await send(head.cluster.listen, ask, { halfClose: true });
    t.deepEqual([status, rest.toString()], [200, 'late']);
    const closed = once(server, 'close');
    server.close();
    await receiver.close();
    await closed;
    t.is(receiver.connections, 0);
  },
);

test.serial('a server whose address changes tells the head each time', async (t) => {
  const feed = head.feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  await feed(server.listen(0, '127.0.0.1'), { name: 'd1' }).ready;
  for (const host of ['127.0.0.2', '127.0.0.3']) {
    await once(server.close(), 'close');
    await once(server.listen(0, host), 'listening');
    await head.untilState('up', `${host}:${(server.address() as AddressInfo).port}`);
    t.is((await send(head.cluster.listen, ask)).status, 200);
  }
});

test.serial(
  'closing a receiver while its process exits does no harm, and an unreferenced server keeps no process',
  async (t) => {
    const program = (server: string, then: string) => `
    import { createServer } from 'node:http';
    import { receiveConnections } from '${new URL('../../delivery/index.ts', import.meta.url)}';
    const server = ${server};
    const receiver = receiveConnections(server, { head: '${head.cluster.socket}', name: 'd1' });
    await receiver.ready;
    ${then}`;
    const run = (code: string) =>
      execa(process.execPath, ['--input-type=module', '-e', code], {
        env: { BATON_LOG: 'silent' },
        reject: false,
        timeout: 30_000,
      });
    const exiting = await run(
      program('createServer()', `process.on('exit', () => receiver.close()); process.exit(4);`),
    );
    t.deepEqual([exiting.exitCode, exiting.stderr], [4, '']);
    await head.untilState('down');
    const unreferenced = await run(
      program(`createServer().listen(0, '127.0.0.1').unref()`, 'await receiver.close();'),
    );
    t.deepEqual([unreferenced.exitCode, unreferenced.stderr], [0, '']);
  },
);
