import '../support/traced.ts';

import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import { receiveConnections } from '../../delivery/index.ts';
import { ask, askAndStay, log, oneHead } from '../support/one-head.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const head = oneHead(test);

/** A request on a connection of the agent's. */
async function visit(listen: string, path: string, agent: Agent): Promise<IncomingMessage> {
  const [response] = (await once(get(`http://${listen}${path}`, { agent }), 'response')) as [IncomingMessage];
  await text(response);
  return response;
}

test.serial(
  'a server that is closed takes leave, answers what it has, and only then has closed',
  async (t) => {
    const feed = head.feeding(t);
    const waiting: (() => void)[] = [];
    const server = createServer((_request, response) => {
      waiting.push(() => response.end('late'));
    });
    const receiver = feed(server.listen(0, '127.0.0.1'), { name: 'd1' });
    await receiver.ready;
    const socket = await open(head.cluster.listen);
    const reply = sendOn(socket, askAndStay);
    await until(
      'the request is in progress',
      () => waiting.length,
      (count) => count === 1,
    );
    let hasClosed = false;
    const closed = promisify(server.close.bind(server))().then(() => {
      hasClosed = true;
    });
    await head.untilState('down');
    t.is((await send(head.cluster.listen, ask)).status, 503);
    t.false(hasClosed);
    waiting[0]!();
    const { status, headers, rest } = await reply;
    t.deepEqual([status, headers.connection, rest.toString()], [200, 'close', 'late']);
    await closed;
    t.is(receiver.connections, 0);
  },
);

test.serial('a server that never listens closes in the same way, and emits close once', async (t) => {
  const feed = head.feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  let closes = 0;
  server.on('close', () => closes++);
  const receiver = feed(server, { name: 'd1' });
  await receiver.ready;
  for (let i = 0; i < 3; i++) t.is((await send(head.cluster.listen, ask)).status, 200);
  t.is(closes, 0);
  server.close();
  await once(server, 'close');
  await head.untilState('down');
  await receiver.close();
  t.is(closes, 1);
});

test.serial(
  'a server that never listens keeps the times of a listening one, and its idle connections are closed',
  async (t) => {
    const feed = head.feeding(t);
    const server = createServer(
      { connectionsCheckingInterval: 50, headersTimeout: 300, requestTimeout: 600 },
      (message, response) => {
        message.resume().on('end', () => response.end('hello'));
      },
    );
    const receiver = feed(server);
    await receiver.ready;
    const slow = await open(head.cluster.listen);
    // Its head is whole, or the head would not hand it over; its body never comes.
    const timedOut = await sendOn(slow, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n');
    t.is(timedOut.status, 408);
    const second = await open(head.cluster.listen);
    const both = await sendOn(second, `${askAndStay}GET / HTTP/1.1\r\n`);
    t.regex(both.all.toString(), /200 OK[\s\S]*408/);

    const idle = await open(head.cluster.listen);
    const ended = sendOn(idle, askAndStay);
    await until(
      'it is open',
      () => receiver.connections,
      (count) => count === 1,
    );
    const from = performance.now();
    await receiver.close();
    t.true(performance.now() - from < 5000);
    t.is((await ended).status, 200);
  },
);

test.serial(
  'a server that begins to listen tells the head where, and one that listens again comes back',
  async (t) => {
    const feed = head.feeding(t);
    await head.cluster.setMode('redirect');
    t.teardown(() => head.cluster.setMode('handoff'));
    const server = createServer((_request, response) => response.end('hello'));
    const receiver = feed(server, { name: 'd1' });
    await receiver.ready;
    t.is((await head.cluster.status()).deliveries.find(({ name }) => name === 'd1')!.direct, null);
    for (let round = 0; round < 2; round++) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const direct = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      await head.untilState('up', direct);
      t.is((await send(head.cluster.listen, ask)).headers.location, `http://${direct}/`);
      server.close();
      await once(server, 'close');
      await head.untilState('down');
      t.is((await send(head.cluster.listen, ask)).status, 503);
    }
  },
);

test.serial(
  'clients are told before they are cut: none of those that are never idle loses a request',
  async (t) => {
    const feed = head.feeding(t);
    const server = createServer(
      ({ url }, response) => void setTimeout(() => response.end('hello'), Number(url!.slice(1))),
    );
    const receiver = feed(server);
    await receiver.ready;
    const left = new AbortController();
    let last = 0;
    const clients = Array.from({ length: 20 }, async (_, i) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const path = i % 2 === 0 ? '/0' : '/200';
      for (;;) {
        const { statusCode, headers } = await visit(head.cluster.listen, path, agent);
        if (statusCode !== 200) return agent.destroy();
        if (headers.connection === 'close') last++;
      }
    });
    await delay(500);
    const from = performance.now();
    await receiver.close(10_000);
    left.abort();
    t.true(performance.now() - from < 5000);
    await t.notThrowsAsync(Promise.all(clients));
    t.is(last, 20);
  },
);

test.serial('closing again is closing once, and may hurry', async (t) => {
  const feed = head.feeding(t);
  const server = createServer(() => {});
  const first = feed(server, { name: 'd1' });
  await first.ready;
  const stays = await open(head.cluster.listen);
  stays.write(askAndStay);
  await until(
    'it is there',
    () => first.connections,
    (count) => count === 1,
  );
  const closed = first.close(60_000);
  await first.close(0);
  await closed;
  const answering = createServer((_request, response) => response.end('hello'));
  const second = feed(answering, { name: 'd1' });
  await second.ready;
  await Promise.all([first.close(), first.close()]);
  for (let i = 0; i < 10; i++) t.is((await send(head.cluster.listen, ask)).status, 200);
  stays.destroy();
});

test.serial('a WebSocket-like connection is not told, and ends when the time is over', async (t) => {
  const feed = head.feeding(t);
  const server = createServer();
  server.on('upgrade', (_message, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  });
  const receiver = feed(server);
  await receiver.ready;
  const socket = await open(head.cluster.listen);
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.regex(answer.toString(), /^HTTP\/1\.1 101 /);
  const ended = once(socket.resume(), 'end');
  await receiver.close(200);
  await ended;
  t.is(receiver.connections, 0);
});

test.serial('a plain TCP server is left in the same way', async (t) => {
  const server = createNetServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nplain'));
  });
  const receiver = receiveConnections(server, { head: head.cluster.socket, log });
  await receiver.ready;
  t.is((await send(head.cluster.listen, ask)).rest.toString(), 'plain');
  const socket = connect(Number(head.cluster.listen.split(':')[1]), '127.0.0.1');
  socket.end(ask);
  t.regex(await text(socket), /plain/);
  server.close();
  await once(server, 'close');
  await receiver.close();
});
