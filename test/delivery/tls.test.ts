/** Servers that speak TLS or HTTP/2 get connections that were handed over before the handshake as those that they accepted. */
import { once } from 'node:events';
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  createSecureServer as createSecureHttp2Server,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { connectionInfo } from '../../delivery/index.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { createServer as createHttpServer } from '../../shared/node-http.ts';
import { alike, bothWays, look, seen } from '../support/both-ways.ts';
import { clientHello, getHttps, openTls, pair, readAll, trust } from '../support/encrypted.ts';
import { ask, oneHead } from '../support/one-head.ts';
import { open, send } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const head = oneHead(test);

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
  const { ways } = await bothWays(head, t, server);
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
    const { ways } = await bothWays(head, t, server);
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
  const { ways } = await bothWays(head, t, server);
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
      const { ways } = await bothWays(head, t, server);
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
  const { ways } = await bothWays(head, t, server);
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
    const { ways } = await bothWays(head, t, secure);
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
    const { ways: plainWays } = await bothWays(head, t, plain);
    const hello = await clientHello();
    const answer = await alike(t, plainWays, async (address) => (await send(address, hello)).all.toString());
    t.true(answer.startsWith('HTTP/1.1 400 '));
  },
);
