import '../support/traced.ts';

import { once } from 'node:events';
import { createServer as createNetServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { pino } from 'pino';
import { receiveConnections } from '../../delivery/index.ts';
import { createServer } from '../../shared/node-http.ts';
import { ask, log, oneHead } from '../support/one-head.ts';
import { send } from '../support/raw-client.ts';

const head = oneHead(test);

test.serial('when it has closed its name is free', async (t) => {
  const feed = head.feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  let refused = 0;
  const counting = pino({ level: 'warn' }, { write: () => refused++ });
  for (let round = 0; round < 50; round++) {
    const receiver = feed(server, { name: 'd1', log: counting });
    await receiver.ready;
    await receiver.close();
  }
  t.is(refused, 0);
  await head.untilState('down');
});

test.serial(
  'closing while there is no head, while it registers and right after it was made ends at once',
  async (t) => {
    const feed = head.feeding(t);
    const none = feed(createServer(), { head: `${head.cluster.directory}/none.sock` });
    await none.close();
    await t.throwsAsync(none.ready, { code: 'NOT_RUNNING' });

    process.kill(head.cluster.head.pid, 'SIGSTOP');
    const registering = feed(createServer(), { name: 'd1' });
    await delay(100);
    const from = performance.now();
    await registering.close();
    t.true(performance.now() - from < 1000);
    process.kill(head.cluster.head.pid, 'SIGCONT');

    const again = feed(
      createServer((_request, response) => response.end()),
      { name: 'd1' },
    );
    await again.ready;
    t.is((await send(head.cluster.listen, ask)).status, 200);
  },
);

test.serial('a name that is taken is waited for', async (t) => {
  const feed = head.feeding(t);
  const make = (body: string) => createServer((_request, response) => response.end(body));
  const a = feed(make('a'), { name: 'd1' });
  await a.ready;
  const b = feed(make('b'), { name: 'd1' });
  await delay(300);
  t.is((await send(head.cluster.listen, ask)).rest.toString(), 'a');
  await a.close();
  await b.ready;
  t.is((await send(head.cluster.listen, ask)).rest.toString(), 'b');
});

test.serial('names that nobody chose are unique, in one process and in its threads', async (t) => {
  const feed = head.feeding(t);
  const receivers = [feed(createServer()), feed(createServer())];
  await Promise.all(receivers.map(({ ready }) => ready));
  const thread = new Worker(
    `import('${new URL('../../delivery/index.ts', import.meta.url)}').then(async ({ receiveConnections }) => {
      const { createServer } = await import('node:http');
      const receiver = receiveConnections(createServer(), { head: ${JSON.stringify(head.cluster.socket)} });
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
  const feed = head.feeding(t);
  const stream = createNetServer().listen(`${head.cluster.directory}/stream.sock`);
  await once(stream, 'listening');
  t.teardown(async () => void stream.close());
  for (const [path, message] of [
    [
      import.meta.filename,
      /registration\.slow\.test\.ts is a file and no socket for deliveries; name the head's with --head/,
    ],
    [head.cluster.directory, /is a directory and no socket/],
    [`${head.cluster.directory}/stream.sock`, /is a socket of another type/],
    [`${import.meta.filename}/head.sock`, /cannot use the socket path/],
  ] as const)
    await t.throwsAsync(feed(createServer(), { head: path }).ready, { message });
  t.throws(() => receiveConnections(createServer(), { head: `/${'x'.repeat(107)}`, log }), {
    code: 'SOCKET_UNUSABLE',
  });
  for (const direct of ['0.0.0.0:3000', '[::]:1', '[0::0]:80', 'a', '127.1:80'])
    t.throws(() => receiveConnections(createServer(), { head: head.cluster.socket, direct, log }), {
      code: 'BAD_OPTION',
      message: /^direct: expected HOST:PORT that clients can connect to/,
    });
});

test.serial('after a restart of the head it is back as soon as the head is ready', async (t) => {
  const feed = head.feeding(t);
  const server = createServer((_request, response) => response.end('hello'));
  await feed(server, { name: 'd1' }).ready;
  // Of what the head has taken to start: a busy machine makes both longer.
  const parts: number[] = [];
  while (parts.length < 4 && !parts.some((part) => part < 1)) {
    await head.cluster.head.stop();
    // Longer than a back-off that doubles would need to be late.
    await delay(2000);
    const begun = performance.now();
    await head.cluster.restartHead();
    const started = performance.now();
    await head.untilState('up');
    parts.push((performance.now() - started) / (started - begun));
  }
  t.log(parts.map((part) => part.toFixed(2)).join(', '));
  t.true(Math.min(...parts) < 1);
});
