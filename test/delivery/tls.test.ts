/** Servers that speak TLS or HTTP/2 get connections that were handed over before the handshake as those that they accepted. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  createSecureServer as createSecureHttp2Server,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { connectionInfo, type ReceiveOptions } from '../../delivery/index.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import {
  clientHello,
  getHttps,
  inPiecesOf,
  NAME,
  openTls,
  pair,
  readAll,
  sendingAs,
  trust,
} from '../support/encrypted.ts';
import { ask, oneHead } from '../support/one-head.ts';
import { open, send } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const head = oneHead(test);

/** A server under the head that listens itself as well: where its clients come to, by name. */
async function bothWays(t: ExecutionContext, server: Server, options: ReceiveOptions = {}) {
  const feed = head.feeding(t);
  server.listen(0, '127.0.0.1');
  const receiver = feed(server, { name: 'd1', ...options });
  await receiver.ready;
  const direct = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { receiver, ways: { direct, 'handed over': head.cluster.listen } as const };
}

/** What `visit` finds is the same on each way. */
async function alike<T>(
  t: ExecutionContext,
  ways: Readonly<Record<string, string>>,
  visit: (address: string) => Promise<T>,
  what?: string,
): Promise<T> {
  const [direct, handedOver] = [await visit(ways.direct!), await visit(ways['handed over']!)];
  t.deepEqual(handedOver, direct, what);
  return handedOver;
}

/** What an application sees of its client. */
const look = (request: { httpVersion: string; socket: object }): string => {
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted } =
    request.socket as TLSSocket;
  const info = connectionInfo(request.socket);
  const ports = typeof remotePort === 'number' && typeof localPort === 'number';
  return JSON.stringify({
    way: info?.transport ?? 'direct',
    delivery: info?.delivery ?? 'd1',
    seen: { version: request.httpVersion, remoteAddress, remoteFamily, localAddress, ports, encrypted },
  });
};
const seen = (body: string) => (JSON.parse(body) as { seen: unknown }).seen;

async function overHttp2(address: string, scheme = 'https') {
  const session = connectHttp2(`${scheme}://${address}`, trust);
  const stream = session.request({ ':path': '/' });
  const [headers] = await once(stream, 'response');
  const body = await readAll(stream);
  const { alpnProtocol } = session;
  session.close();
  await once(session, 'close');
  return { status: headers[':status'], alpnProtocol, body };
}

test.serial('an https.Server serves both versions of TLS, and its application knows who asks', async (t) => {
  const server = createHttpsServer(pair, (request, response) => void response.end(look(request)));
  const { ways } = await bothWays(t, server);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    await alike(
      t,
      ways,
      async (address) => {
        const { status, headers, body } = await getHttps(address, '/', {
          minVersion: version,
          maxVersion: version,
        });
        t.true(body.includes(`"way":"${address === ways.direct ? 'direct' : 'fd'}"`), body);
        t.true(body.includes('"delivery":"d1"'));
        const { date, 'content-length': length, ...same } = headers;
        return { status, same, seen: seen(body) };
      },
      version,
    );
  }
});

for (const allowHTTP1 of [false, true]) {
  test.serial(`an HTTP/2 server over TLS serves, ${allowHTTP1 ? 'beside' : 'without'} HTTP/1`, async (t) => {
    const server = createSecureHttp2Server(
      { ...pair, allowHTTP1 },
      (request, response) => void response.end(look(request)),
    );
    const { ways } = await bothWays(t, server);
    const { status, alpnProtocol } = await alike(t, ways, async (address) => {
      const { body, ...rest } = await overHttp2(address);
      t.true(body.includes(`"way":"${address === ways.direct ? 'direct' : 'fd'}"`), body);
      return { ...rest, seen: seen(body) };
    });
    t.deepEqual([status, alpnProtocol], [200, 'h2']);
    // A client that does not know HTTP/2: an answer, or a no that it understands.
    const old = await alike(t, ways, async (address) => {
      const { status: code, body } = await getHttps(address);
      return { code, body: allowHTTP1 ? seen(body) : body };
    });
    t.is(old.code, allowHTTP1 ? 200 : 403);
  });
}

test.serial('an HTTP/2 server without TLS serves who knows that before', async (t) => {
  const server = createHttp2Server((request, response) => void response.end(look(request)));
  const { ways } = await bothWays(t, server);
  const { status } = await alike(t, ways, async (address) => {
    const { body, ...rest } = await overHttp2(address, 'http');
    t.true(body.includes(`"way":"${address === ways.direct ? 'direct' : 'fd'}"`), body);
    return { ...rest, seen: seen(body) };
  });
  t.is(status, 200);
});

test.serial(
  'a tls.Server hears its client end, and answers then where it allows half-open connections',
  async (t) => {
    for (const allowHalfOpen of [true, false]) {
      const events: Record<string, string[]> = {};
      const server = createTlsServer({ ...pair, allowHalfOpen } as object, (socket) => {
        const what = connectionInfo(socket)?.transport ?? 'direct';
        const heard: string[] = [];
        events[what] = heard;
        socket.on('data', (bytes) => heard.push(String(bytes)));
        socket.on('end', () => {
          heard.push('end');
          if (allowHalfOpen) socket.end('answer');
        });
        socket.on('close', (hadError) => heard.push(`close ${hadError}`));
        socket.on('error', (error) => heard.push(error.message));
      });
      const { ways } = await bothWays(t, server);
      const answer = await alike(t, ways, async (address) => {
        const socket = await openTls(address, { allowHalfOpen: true } as object);
        socket.end('question');
        return await readAll(socket);
      });
      t.is(answer, allowHalfOpen ? 'answer' : '');
      await until(
        'both have closed',
        () => events,
        ({ fd, direct }) => [fd, direct].every((heard) => heard?.at(-1)?.startsWith('close') ?? false),
      );
      t.deepEqual(events.fd, events.direct);
      t.deepEqual(events.fd, ['question', 'end', 'close false']);
      server.close();
      await head.untilState('down');
    }
  },
);

test.serial('a second hello, which the server asked for, reaches the same delivery', async (t) => {
  const server = createHttpsServer(
    { ...pair, ecdhCurve: 'P-384' },
    (_request, response) => void response.end('ok'),
  );
  const { ways } = await bothWays(t, server);
  for (const send of [inPiecesOf(100_000), inPiecesOf(50), inPiecesOf(1)]) {
    const found = await alike(t, ways, async (address) => {
      // The share that it sends is of the first group, which the server does not know.
      const duplex = await sendingAs(address, send);
      const options = { minVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-384', socket: duplex } as const;
      const socket = connect({ servername: NAME, ...trust, ...options });
      await once(socket, 'secureConnect');
      const group = socket.getEphemeralKeyInfo();
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      return { group, ok: (await readAll(socket)).endsWith('ok') };
    });
    t.like(found, { group: { name: 'secp384r1' }, ok: true });
  }
});

test.serial('a hello that comes in pieces, at any pace, is the TLS engine’s to read', async (t) => {
  const server = createHttpsServer(pair, (request, response) => void request.pipe(response));
  const { ways } = await bothWays(t, server);
  const body = 'b'.repeat(20_000);
  for (const length of [1, 7, 300, 1500]) {
    await alike(
      t,
      ways,
      async (address) => {
        const socket = connect({
          servername: NAME,
          ...trust,
          socket: await sendingAs(address, inPiecesOf(length)),
        });
        socket.write(
          `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        const answer = await readAll(socket);
        t.true(answer.includes(' 200 OK'));
        return answer.split('b').length - 1;
      },
      String(length),
    );
  }
});

test.serial('client certificates, names and protocols are chosen by as directly', async (t) => {
  const other = makeCertificate(['other.test']);
  const client = makeCertificate(['client']);
  const server = createTlsServer(
    {
      ...pair,
      requestCert: true,
      rejectUnauthorized: false,
      ca: client.cert,
      ALPNProtocols: ['one', 'two'],
      SNICallback: (name, done) =>
        // Answered later, as one that asks a database.
        setTimeout(() => done(null, name === 'other.test' ? createSecureContext(other) : undefined), 5),
    },
    (socket) => {
      const { authorized, authorizationError, servername, alpnProtocol } = socket;
      const { subject } = socket.getPeerCertificate();
      socket.end(
        JSON.stringify({ authorized, authorizationError, servername, alpnProtocol, subject: subject?.CN }),
      );
    },
  );
  server.addContext('added.test', other);
  const { ways } = await bothWays(t, server);
  for (const [what, options] of [
    ['a certificate that it trusts', client],
    ['one that it does not', other],
    ['none', {}],
    ['another name', { ...client, servername: 'other.test', ca: other.cert }],
    ['the second protocol', { ...client, ALPNProtocols: ['zero', 'two'] }],
    ['none of its protocols', { ...client, ALPNProtocols: ['zero'] }],
    ['TLS 1.2', { ...client, maxVersion: 'TLSv1.2' }],
  ] as const) {
    await alike(
      t,
      ways,
      async (address) => {
        try {
          const socket = await openTls(address, {
            ...options,
            checkServerIdentity: () => undefined,
          } as object);
          const { CN } = socket.getPeerCertificate().subject;
          return { CN, alpn: socket.alpnProtocol, said: JSON.parse(await readAll(socket)) as unknown };
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      },
      what,
    );
  }
});

test.serial(
  'who speaks HTTP to a TLS server, or TLS to an HTTP server, hears what it hears directly',
  async (t) => {
    const errors: string[] = [];
    const secure = createHttpsServer(pair).on(
      'tlsClientError',
      (error: NodeJS.ErrnoException, socket: Socket) =>
        errors.push(`${error.code} ${connectionInfo(socket)?.transport ?? 'direct'}`),
    );
    const { ways } = await bothWays(t, secure);
    await alike(t, ways, async (address) => {
      const socket = await open(address);
      socket.on('error', () => {});
      socket.write(ask);
      return await readAll(socket);
    });
    t.deepEqual(errors, ['ERR_SSL_HTTP_REQUEST direct', 'ERR_SSL_HTTP_REQUEST fd']);
    secure.close();
    await head.untilState('down');

    const plain = createHttpServer();
    const { ways: plainWays } = await bothWays(t, plain);
    const hello = await clientHello();
    const answer = await alike(t, plainWays, async (address) => (await send(address, hello)).all.toString());
    t.true(answer.startsWith('HTTP/1.1 400 '));
  },
);

test.serial(
  'clients that close, flood or freeze in the midst of the handshake cost no more than directly',
  async (t) => {
    const errors: (string | undefined)[] = [];
    const server = createHttpsServer(
      { ...pair, handshakeTimeout: 300 },
      (_request, response) => void response.end('ok'),
    );
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => errors.push(error.code));
    const { ways, receiver } = await bothWays(t, server);
    const hello = await clientHello();
    // What a client sends next is encrypted: nobody can read this.
    const nonsense = Buffer.alloc(100_000, '\x17\x03\x03\x00\x20nonsense');
    const alert = Buffer.from('15030300020100', 'hex');
    for (const [what, act] of [
      ['closes', (socket: Socket) => void socket.end()],
      ['resets', (socket: Socket) => void socket.resetAndDestroy()],
      ['floods', (socket: Socket) => void socket.write(nonsense)],
      ['says goodbye', (socket: Socket) => void socket.end(alert)],
      ['freezes', () => {}],
    ] as const) {
      const told = await alike(
        t,
        ways,
        async (address) => {
          errors.length = 0;
          const socket = await open(address);
          socket.on('error', () => {});
          socket.write(hello);
          await once(socket, 'data');
          socket.resume();
          act(socket);
          await until(
            `the server is told that it ${what}`,
            () => errors,
            ({ length }) => length > 0,
          );
          socket.destroy();
          return [...errors];
        },
        what,
      );
      t.is(told.length, 1);
    }
    await until(
      'no connection is left',
      () => receiver.connections,
      (count) => count === 0,
    );
    t.is((await getHttps(ways['handed over'])).body, 'ok');
  },
);
