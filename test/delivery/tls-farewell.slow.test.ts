/** How servers that speak TLS or HTTP/2 take leave of connections that were handed over. */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createServer as createHttp2Server,
  createSecureServer as createSecureHttp2Server,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { clientHello, openTls, pair, readAll, trust } from '../support/encrypted.ts';
import { askAndStay, oneHead } from '../support/one-head.ts';
import { open, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const head = oneHead(test);

const directOf = (server: Server) => `127.0.0.1:${(server.address() as AddressInfo).port}`;

function openSession(address: string, scheme = 'https'): ClientHttp2Session {
  const session = connectHttp2(`${scheme}://${address}`, trust);
  session.on('error', () => {});
  return session;
}

async function get(session: ClientHttp2Session, path = '/'): Promise<string> {
  const stream = session.request({ ':path': path });
  // An answer that breaks off is an error, and one that never begins an empty answer.
  const answer = await readAll(stream);
  return answer;
}

test.serial('an https.Server that leaves says so with its last answers, and ends what is idle', async (t) => {
  const waiting: (() => void)[] = [];
  const server = createHttpsServer(pair, (request, response) => {
    if (request.url === '/wait') waiting.push(() => response.end('late'));
    else response.end('ok');
  });
  const receiver = head.feeding(t)(server.listen(0, '127.0.0.1'), { name: 'd1' });
  await receiver.ready;
  const { listen } = head.cluster;
  const idle = await openTls(listen);
  const busy = await openTls(listen);
  // Connected, its handshake over, and nothing asked: as browsers keep them.
  const silent = await openTls(listen);
  const direct = await openTls(directOf(server));
  for (const socket of [idle, direct]) {
    socket.write(askAndStay);
    await once(socket, 'data');
  }
  busy.write('GET /wait HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(
    'it is asked',
    () => waiting.length,
    (count) => count === 1,
  );
  const closed = receiver.close();
  await Promise.all([idle, silent].map((socket) => once(socket.resume(), 'end')));
  const last = readAll(busy);
  waiting[0]!();
  t.regex(await last, /\r\nConnection: close\r\n[\s\S]*late$/);
  await closed;
  t.is(receiver.connections, 0);
  // Those that came to the server itself stay.
  direct.write(askAndStay);
  t.regex(String((await once(direct, 'data'))[0]), /\r\nConnection: keep-alive\r\n/);
  direct.destroy();
});

for (const [what, scheme, make] of [
  ['over TLS', 'https', createSecureHttp2Server],
  ['without TLS', 'http', createHttp2Server],
] as const) {
  test.serial(
    `an HTTP/2 server ${what} that leaves answers what it has, and ends sessions by GOAWAY`,
    async (t) => {
      const waiting: Http2ServerResponse[] = [];
      const server = (make as typeof createSecureHttp2Server)({ ...pair }, (request, response) => {
        if (request.url === '/wait') waiting.push(response);
        else response.end('ok');
      });
      const receiver = head.feeding(t)(server.listen(0, '127.0.0.1'), { name: 'd1' });
      await receiver.ready;
      const idle = openSession(head.cluster.listen, scheme);
      const busy = openSession(head.cluster.listen, scheme);
      const direct = openSession(directOf(server), scheme);
      for (const session of [idle, busy, direct]) t.is(await get(session), 'ok');
      const answer = get(busy, '/wait');
      await until(
        'it is asked',
        () => waiting.length,
        (count) => count === 1,
      );
      const goodbyes = Promise.all([once(idle, 'goaway'), once(busy, 'goaway')]);
      const closed = receiver.close();
      const [[idleCode, idleLast], [busyCode, busyLast]] = await goodbyes;
      t.deepEqual([idleCode, idleLast, busyCode, busyLast], [0, 1, 0, 3]);
      await until(
        'the idle one has ended',
        () => receiver.connections,
        (count) => count === 1,
      );
      waiting[0]!.end('late');
      t.is(await answer, 'late');
      await closed;
      t.is(receiver.connections, 0);
      t.is(await get(direct), 'ok');
      direct.destroy();
      server.close();
    },
  );

  test.serial(
    `a client of an HTTP/2 server ${what} that asks one thing after the other loses none`,
    async (t) => {
      const answered = [0, 0];
      const servers = answered.map((_, at) =>
        (make as typeof createSecureHttp2Server)({ ...pair }, (_request, response) => {
          answered[at]!++;
          response.end('ok');
        }).listen(0, '127.0.0.1'),
      );
      const feed = head.feeding(t);
      const receivers = servers.map((server, at) => feed(server, { name: `d${at + 1}` }));
      await Promise.all(receivers.map(({ ready }) => ready));
      let left = 0;
      const clients = Array.from({ length: 8 }, async () => {
        let session = openSession(head.cluster.listen, scheme);
        session.on('goaway', () => left++);
        for (let count = 0; count < 200; count++) {
          if (session.closed || session.destroyed) session = openSession(head.cluster.listen, scheme);
          t.is(await get(session), 'ok', String(count));
        }
        session.destroy();
      });
      await until(
        'both are asked',
        () => answered,
        ([one, two]) => one! > 20 && two! > 20,
      );
      await receivers[0]!.close();
      await Promise.all(clients);
      t.true(left > 0);
      for (const server of servers) server.close();
    },
  );
}

test.serial('a server that is closed waits for the sessions that were handed over to it', async (t) => {
  for (const [scheme, make] of [
    ['https', (handler) => createSecureHttp2Server({ ...pair, allowHTTP1: true }, handler as never)],
    ['http', (handler) => createHttp2Server(handler as never)],
    ['https/1', (handler) => createHttpsServer(pair, handler as never)],
  ] as [string, (handler: (request: unknown, response: Http2ServerResponse) => void) => Server][]) {
    const waiting: Http2ServerResponse[] = [];
    const server = make((_request, response) => waiting.push(response));
    const receiver = head.feeding(t)(server.listen(0, '127.0.0.1'), { name: 'd1' });
    await receiver.ready;
    let answer: Promise<string>;
    if (scheme === 'https/1') {
      const socket = await openTls(head.cluster.listen);
      answer = sendOn(socket, askAndStay).then(({ rest }) => rest.toString());
    } else {
      answer = get(openSession(head.cluster.listen, scheme));
    }
    await until(
      'it is asked',
      () => waiting.length,
      (count) => count === 1,
    );
    let hasClosed = false;
    const closed = once(server, 'close').then(() => {
      hasClosed = true;
    });
    server.close();
    await head.untilState('down');
    t.false(hasClosed, scheme);
    waiting[0]!.end('late');
    t.is(await answer, 'late', scheme);
    await closed;
    t.is(receiver.connections, 0, scheme);
  }
});

test.serial(
  'what has not ended when its time is over is closed, and its application hears of it',
  async (t) => {
    const heard: string[] = [];
    const server = createTlsServer(pair, (socket) => {
      socket.on('close', () => heard.push('close'));
      socket.on('error', (error) => heard.push(error.message));
    });
    server.on('tlsClientError', () => heard.push('handshake'));
    const receiver = head.feeding(t)(server, { name: 'd1' });
    await receiver.ready;
    const speaking = await openTls(head.cluster.listen);
    const frozen = await open(head.cluster.listen);
    frozen.write(await clientHello());
    await once(frozen, 'data');
    const ends = Promise.all([once(speaking.resume(), 'end'), once(frozen.resume(), 'end')]);
    await receiver.close(300);
    await ends;
    t.is(receiver.connections, 0);
    await until(
      'both are told',
      () => heard,
      ({ length }) => length === 2,
    );
    t.deepEqual(heard.toSorted(), ['close', 'handshake']);
    frozen.destroy();
  },
);

test.serial('HTTP/2 clients that freeze hold up no server’s leave longer than its time', async (t) => {
  const server = createSecureHttp2Server(pair, (_request, response) => response.end(Buffer.alloc(10 ** 7)));
  const receiver = head.feeding(t)(server, { name: 'd1' });
  await receiver.ready;
  const session = openSession(head.cluster.listen);
  const stream = session.request({ ':path': '/' });
  await once(stream, 'response');
  stream.pause();
  // One that says nothing at all after the preface.
  const { host, port } = {
    host: head.cluster.listen.split(':')[0],
    port: Number(head.cluster.listen.split(':')[1]),
  };
  const mute = connect({ host, port });
  mute.on('error', () => {});
  mute.write(await clientHello({ ALPNProtocols: ['h2'] }));
  await once(mute, 'data');
  const began = performance.now();
  await receiver.close(500);
  t.true(performance.now() - began < 5000);
  t.is(receiver.connections, 0);
  session.destroy();
  mute.destroy();
});
