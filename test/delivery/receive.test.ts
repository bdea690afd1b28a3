import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { type ReceiveOptions, receiveConnections } from '../../delivery/index.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });

/** One head for all: a test leaves it without a delivery. */
let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '2'], []);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

function feeding(t: ExecutionContext) {
  return (server: Server, options: ReceiveOptions = {}) => {
    const receiver = receiveConnections(server, { head: cluster.socket, log, ...options });
    t.teardown(async () => {
      await receiver.close(0);
      server.closeAllConnections();
      if (server.listening) server.close();
    });
    return receiver;
  };
}

const untilState = (state: string, direct?: string) =>
  cluster.untilStatus(`d1 is ${state}`, ({ deliveries }) => {
    const d1 = deliveries.find(({ name }) => name === 'd1');
    return d1?.state === state && (direct === undefined || d1.direct === direct);
  });

const ask = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const askAndStay = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A request on a connection of the agent's. */
async function visit(listen: string, path: string, agent: Agent): Promise<IncomingMessage> {
  const [response] = (await once(get(`http://${listen}${path}`, { agent }), 'response')) as [IncomingMessage];
  await text(response);
  return response;
}

test.serial(
  'a server that is closed takes leave, answers what it has, and only then has closed',
  async (t) => {
    const feed = feeding(t);
    const waiting: (() => void)[] = [];
    const server = createServer((_request, response) => {
      waiting.push(() => response.end('late'));
    });
    const receiver = feed(server.listen(0, '127.0.0.1'), { name: 'd1' });
    await receiver.ready;
    const socket = await open(cluster.listen);
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
    await untilState('down');
    t.is((await send(cluster.listen, ask)).status, 503);
    t.false(hasClosed);
    waiting[0]!();
    const { status, headers, rest } = await reply;
    t.deepEqual([status, headers.connection, rest.toString()], [200, 'close', 'late']);
    await closed;
    t.is(receiver.connections, 0);
  },
);

test.serial('a server that never listens closes in the same way, and emits close once', async (t) => {
  const feed = feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  let closes = 0;
  server.on('close', () => closes++);
  const receiver = feed(server, { name: 'd1' });
  await receiver.ready;
  for (let i = 0; i < 3; i++) t.is((await send(cluster.listen, ask)).status, 200);
  t.is(closes, 0);
  server.close();
  await once(server, 'close');
  await untilState('down');
  await receiver.close();
  t.is(closes, 1);
});

test.serial(
  'a server that never listens keeps the times of a listening one, and its idle connections are closed',
  async (t) => {
    const feed = feeding(t);
    const server = createServer(
      { connectionsCheckingInterval: 50, headersTimeout: 300, requestTimeout: 600 },
      (message, response) => {
        message.resume().on('end', () => response.end('hello'));
      },
    );
    const receiver = feed(server);
    await receiver.ready;
    const slow = await open(cluster.listen);
    // Its head is whole, or the head would not hand it over; its body never comes.
    const timedOut = await sendOn(slow, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n');
    t.is(timedOut.status, 408);
    const second = await open(cluster.listen);
    const both = await sendOn(second, `${askAndStay}GET / HTTP/1.1\r\n`);
    t.regex(both.all.toString(), /200 OK[\s\S]*408/);

    const idle = await open(cluster.listen);
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
    const feed = feeding(t);
    await cluster.setMode('redirect');
    t.teardown(() => cluster.setMode('handoff'));
    const server = createServer((_request, response) => response.end('hello'));
    const receiver = feed(server, { name: 'd1' });
    await receiver.ready;
    t.is((await cluster.status()).deliveries.find(({ name }) => name === 'd1')!.direct, null);
    for (let round = 0; round < 2; round++) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const direct = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      await untilState('up', direct);
      t.is((await send(cluster.listen, ask)).headers.location, `http://${direct}/`);
      server.close();
      await once(server, 'close');
      await untilState('down');
      t.is((await send(cluster.listen, ask)).status, 503);
    }
  },
);

test.serial(
  'clients are told before they are cut: none of those that are never idle loses a request',
  async (t) => {
    const feed = feeding(t);
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
        const { statusCode, headers } = await visit(cluster.listen, path, agent);
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
  const feed = feeding(t);
  const server = createServer(() => {});
  const first = feed(server, { name: 'd1' });
  await first.ready;
  const stays = await open(cluster.listen);
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
  for (let i = 0; i < 10; i++) t.is((await send(cluster.listen, ask)).status, 200);
  stays.destroy();
});

test.serial('when it has closed its name is free', async (t) => {
  const feed = feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  let refused = 0;
  const counting = pino({ level: 'warn' }, { write: () => refused++ });
  for (let round = 0; round < 50; round++) {
    const receiver = feed(server, { name: 'd1', log: counting });
    await receiver.ready;
    await receiver.close();
  }
  t.is(refused, 0);
  await untilState('down');
});

test.serial(
  'closing while there is no head, while it registers and right after it was made ends at once',
  async (t) => {
    const feed = feeding(t);
    const none = feed(createServer(), { head: `${cluster.directory}/none.sock` });
    await none.close();
    await t.throwsAsync(none.ready, { code: 'NOT_RUNNING' });

    process.kill(cluster.head.pid, 'SIGSTOP');
    const registering = feed(createServer(), { name: 'd1' });
    await delay(100);
    const from = performance.now();
    await registering.close();
    t.true(performance.now() - from < 1000);
    process.kill(cluster.head.pid, 'SIGCONT');

    const again = feed(
      createServer((_request, response) => response.end()),
      { name: 'd1' },
    );
    await again.ready;
    t.is((await send(cluster.listen, ask)).status, 200);
  },
);

test.serial('a name that is taken is waited for', async (t) => {
  const feed = feeding(t);
  const make = (body: string) => createServer((_request, response) => response.end(body));
  const a = feed(make('a'), { name: 'd1' });
  await a.ready;
  const b = feed(make('b'), { name: 'd1' });
  await delay(300);
  t.is((await send(cluster.listen, ask)).rest.toString(), 'a');
  await a.close();
  await b.ready;
  t.is((await send(cluster.listen, ask)).rest.toString(), 'b');
});

test.serial('names that nobody chose are one of a kind, in one process and in its threads', async (t) => {
  const feed = feeding(t);
  const receivers = [feed(createServer()), feed(createServer())];
  await Promise.all(receivers.map(({ ready }) => ready));
  const thread = new Worker(
    `import('${new URL('../../delivery/index.ts', import.meta.url)}').then(async ({ receiveConnections }) => {
      const { createServer } = await import('node:http');
      const receiver = receiveConnections(createServer(), { head: ${JSON.stringify(cluster.socket)} });
      await receiver.ready;
      const { parentPort } = require('node:worker_threads');
      parentPort.once('message', () => receiver.close());
      parentPort.postMessage(receiver.name);
    })`,
    { eval: true, env: { ...process.env, BATON_LOG: 'silent' } },
  );
  const [name] = (await once(thread, 'message')) as [string];
  t.is(new Set([name, ...receivers.map((receiver) => receiver.name)]).size, 3);
  thread.postMessage('close');
  await once(thread, 'exit');
});

test.serial('what is no head at all, or no address, is said at once', async (t) => {
  const feed = feeding(t);
  const stream = createNetServer().listen(`${cluster.directory}/stream.sock`);
  await once(stream, 'listening');
  t.teardown(async () => void stream.close());
  for (const [head, message] of [
    [
      import.meta.filename,
      /receive\.test\.ts is a file and no socket for deliveries; name the head's with --head/,
    ],
    [cluster.directory, /is a directory and no socket/],
    [`${cluster.directory}/stream.sock`, /is a socket of another type/],
    [`${import.meta.filename}/head.sock`, /cannot use the socket path/],
  ] as const)
    await t.throwsAsync(feed(createServer(), { head }).ready, { message });
  t.throws(() => receiveConnections(createServer(), { head: `/${'x'.repeat(107)}`, log }), {
    code: 'SOCKET_UNUSABLE',
  });
  for (const direct of ['0.0.0.0:3000', '[::]:1', '[0::0]:80', 'a', '127.1:80'])
    t.throws(() => receiveConnections(createServer(), { head: cluster.socket, direct, log }), {
      code: 'BAD_OPTION',
      message: /^direct: expected HOST:PORT that clients can connect to/,
    });
});

test.serial('after a restart of the head it is back as soon as the head is ready', async (t) => {
  const feed = feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  await feed(server, { name: 'd1' }).ready;
  await cluster.head.stop();
  // Longer than a back-off that doubles would need to be late.
  await delay(2000);
  await cluster.restartHead();
  const from = performance.now();
  await untilState('up');
  t.log(`${Math.round(performance.now() - from)} ms`);
  t.true(performance.now() - from < 500);
});

test.serial('a WebSocket-like connection is not told, and ends when the time is over', async (t) => {
  const feed = feeding(t);
  const server = createServer();
  server.on('upgrade', (_message, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  });
  const receiver = feed(server);
  await receiver.ready;
  const socket = await open(cluster.listen);
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
  const receiver = receiveConnections(server, { head: cluster.socket, log });
  await receiver.ready;
  t.is((await send(cluster.listen, ask)).rest.toString(), 'plain');
  const socket = connect(Number(cluster.listen.split(':')[1]), '127.0.0.1');
  socket.end(ask);
  t.regex(await text(socket), /plain/);
  server.close();
  await once(server, 'close');
  await receiver.close();
});
