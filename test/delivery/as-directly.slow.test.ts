import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { pino } from 'pino';
import { receiveConnections } from '../../delivery/index.ts';
import { createServer } from '../../shared/node-http.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const ask = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const askAndStay = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, [], []);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

const untilState = (name: string, state: string) =>
  cluster.untilStatus(`${name} is ${state}`, ({ deliveries }) =>
    deliveries.some((delivery) => delivery.name === name && delivery.state === state),
  );

function receive(t: ExecutionContext, server: Server, name: string) {
  const receiver = receiveConnections(server, { head: cluster.socket, name, log });
  t.teardown(async () => {
    await receiver.close(0);
    server.closeAllConnections();
    if (server.listening) server.close();
  });
  return receiver;
}

/** A process with a server `server` and, under the head, a receiver `receiver`; runs `code` and says what it logs. */
function runProgram(t: ExecutionContext, code: string, { head = cluster.socket } = {}) {
  const program = execa(process.execPath, ['--input-type=module'], {
    env: { BATON_LOG: 'silent' },
    reject: false,
    timeout: 60_000,
    input: `
      const { receiveConnections } = await import(${JSON.stringify(new URL('../../delivery/index.ts', import.meta.url).href)});
      const { createServer } = await import('node:http');
      const server = createServer((request, response) => {
        if (request.url === '/unref') server.unref();
        response.end('hello');
      });
      const receive = () => receiveConnections(server, { head: ${JSON.stringify(head)}, name: 'p1' });
      ${code}
    `,
  });
  t.teardown(async () => {
    program.kill('SIGKILL');
    await program;
  });
  return program;
}

const ended = { exitCode: 0, timedOut: false };

test.serial('a process whose server is not to keep it alive ends, with a head and without one', async (t) => {
  const registered = 'const receiver = receive(); await receiver.ready; console.log("registered"); ';
  for (const [code, options] of [
    ['server.unref(); receive();', { head: `${cluster.directory}/none.sock` }],
    ['receive(); setTimeout(() => server.unref(), 100);', { head: `${cluster.directory}/none.sock` }],
    [`${registered} server.unref();`, {}],
    [`server.listen(0, '127.0.0.1'); ${registered} server.unref();`, {}],
    // Whoever waits for the head is not left waiting.
    [`server.unref(); ${registered}`, {}],
    // It takes leave to the end, though nothing else keeps it.
    [`${registered} server.unref(); await receiver.close(); console.log("left");`, {}],
    [`${registered} server.ref().unref().ref(); setTimeout(() => server.unref(), 100);`, {}],
  ] as const) {
    const { stdout, ...result } = await runProgram(t, code, options);
    t.like(result, ended, code);
    t.is(stdout.includes('registered'), code.includes('registered'), code);
    t.is(stdout.includes('left'), code.includes('left'), code);
  }
  await untilState('p1', 'down');
});

test.serial('it stays for its connections, and one whose server is to keep it alive stays', async (t) => {
  const program = runProgram(t, 'receive();');
  await untilState('p1', 'up');
  // Long enough for a process that nothing keeps to be gone.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const stays = await open(cluster.listen);
  const asked = once(stays, 'data');
  stays.write('GET /unref HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(String(await asked), /hello$/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const again = once(stays, 'data');
  stays.write(askAndStay);
  t.regex(String(await again), /hello$/);
  stays.destroy();
  t.like(await program, ended);
});

test.serial('a server has the listeners that it had', async (t) => {
  const server = createServer();
  const counts = () => server.eventNames().map((event) => [event, server.listenerCount(event)]);
  const before = counts();
  const receiver = receive(t, server, 'd1');
  await receiver.ready;
  t.deepEqual(counts(), before);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await untilState('d1', 'up');
  t.deepEqual(counts(), before);
});

test.serial('an application may close its server by the method that it had before', async (t) => {
  const server = createServer((_request, response) => void response.end('hello'));
  const before = server.close;
  server.listen(0, '127.0.0.1');
  const receiver = receive(t, server, 'd1');
  await receiver.ready;
  const instead = () => t.fail() as unknown as Server;
  server.close = instead;
  t.is((await send(cluster.listen, ask)).status, 200);
  server.close = before;
  await promisify(server.close.bind(server))();
  await untilState('d1', 'down');
  server.listen(0, '127.0.0.1');
  await untilState('d1', 'up');
  t.is((await send(cluster.listen, ask)).status, 200);
});

test.serial(
  'what is answered as the server is closed is answered as directly, and what comes then is the last',
  async (t) => {
    for (const handedOver of [false, true]) {
      const answers: ServerResponse[] = [];
      const server = createServer((_request, response) => {
        if (answers.push(response) === 1) server.close();
        response.end('hello');
      });
      server.listen(0, '127.0.0.1');
      const receiver = receive(t, server, 'd1');
      await receiver.ready;
      const { port } = server.address() as AddressInfo;
      const closed = once(server, 'close');
      const socket = await open(handedOver ? cluster.listen : `127.0.0.1:${port}`);
      const [first] = (await Promise.all([once(socket, 'data'), socket.write(askAndStay)]))[0] as [Buffer];
      t.regex(first.toString(), /\r\nConnection: keep-alive\r\n/);
      const { headers } = await sendOn(socket, askAndStay);
      t.is(headers.connection, 'close');
      socket.destroy();
      await closed;
    }
  },
);

test.serial('a body that came with its head is not thrown away while its request is paused', async (t) => {
  const body = 'b'.repeat(1000);
  for (const handedOver of [false, true]) {
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      request.once('data', (piece: Buffer) => {
        seen.push(piece.length);
        request.pause();
        response.end('hello');
        response.on('finish', () =>
          setImmediate(() => {
            request.on('end', () => seen.push('end'));
            seen.push(request.listenerCount('data'));
            request.on('data', (more: Buffer) => seen.push(more.length));
            request.resume();
          }),
        );
        request.on('data', () => {});
      });
    });
    server.listen(0, '127.0.0.1');
    const receiver = receive(t, server, 'd1');
    await receiver.ready;
    const { port } = server.address() as AddressInfo;
    const socket = await open(handedOver ? cluster.listen : `127.0.0.1:${port}`);
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${body}`);
    await until(
      'the request has ended',
      () => seen,
      () => seen.at(-1) === 'end',
    );
    // Its own listener is still there.
    t.deepEqual(seen, [1000, 1, 'end'], String(handedOver));
    socket.destroy();
    await receiver.close();
  }
});
