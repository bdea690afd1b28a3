import { once } from 'node:events';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import type { VisitOptions } from '../../../infra/visits/options.ts';
import { phaseNames } from '../../../infra/visits/phases.ts';
import { visitResultSchema } from '../../../infra/visits/result.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer as createHttpServer } from '../../../shared/node-http.ts';
import { createAuthority } from '../../support/authority.ts';
import { listen, serveBetween, serveTcp } from '../../support/tls-servers.ts';

const authority = createAuthority();
const pair = authority.issue(['localhost', '127.0.0.1', '::1']);
const elsewhere = authority.issue(['elsewhere.example']);
const expired = authority.issue(['localhost'], -1);
test.after.always(() => authority.remove());

/** Loopback has it where the machine has IPv6. */
const withIPv6 = networkInterfaces().lo?.some(({ family }) => family === 'IPv6') ? test : test.skip;

const body = 'x'.repeat(1000);
const short = { rate: 50, durationMs: 200 };
/** Visits that trust the authority; a busy machine may take its time. */
const visit = (url: string, options: Partial<VisitOptions> = {}) =>
  runVisits({ urls: [url], ...short, tls: { ca: authority.ca }, timeoutMs: 20_000, ...options });

const serve = (t: ExecutionContext, options: ServerOptions = {}, text = body) =>
  listen(
    t,
    createHttpsServer({ ...pair, ...options }, (_, answer) => answer.end(text)),
  );

for (const version of ['1.2', '1.3'] as const) {
  test(`a visit over TLS ${version} is counted, its phases add up, and so are its handshakes`, async (t) => {
    const port = await serve(t);
    const result = await visit(`https://localhost:${port}/`, {
      tls: { ca: authority.ca, version },
      samples: true,
    });
    t.like(result, { visits: 10, succeeded: 10, connections: 10, requests: 10, bodyBytes: 10_000 });
    t.deepEqual(result.tls, {
      handshakes: 10,
      resumed: 0,
      resumedVisits: 0,
      versions: { [`TLSv${version}`]: 10 },
      protocols: { 'http/1.1': 10 },
    });
    t.true(result.phases.secure.min > 0);
    const parts = phaseNames.reduce((sum, name) => sum + result.phases[name].mean, 0);
    t.true(Math.abs(parts - result.latency.mean) < 0.01 * result.latency.mean + 10, `${parts}`);
    const { work } = result.generator;
    t.true(
      work!.secure.max <= result.phases.secure.max && work!.firstByte.max <= result.phases.firstByte.max,
    );
    t.deepEqual(visitResultSchema.parse(JSON.parse(JSON.stringify(result))), result);
  });

  test.serial(`sessions of TLS ${version} are resumed at the server that they are of`, async (t) => {
    const ports = [await serve(t), await serve(t)];
    const result = await visit('', {
      urls: ports.map((port) => `https://localhost:${port}/`),
      rate: 20,
      durationMs: 1000,
      tls: { ca: authority.ca, version, resume: true },
    });
    t.like(result, { succeeded: 20, failed: 0 });
    // Each server's first visit cannot, nor any that begins before that one has its ticket.
    t.true(result.tls!.resumed >= 10 && result.tls!.resumed <= 18, `${result.tls!.resumed}`);
    t.is(result.tls!.resumedVisits, result.tls!.resumed);
  });
}

test('without being told to, no session is resumed', async (t) => {
  const result = await visit(`https://localhost:${await serve(t)}/`);
  t.is(result.tls!.resumed, 0);
});

test('an address in the URL must be in the certificate, and a name is said in the handshake', async (t) => {
  const names: unknown[] = [];
  const server = createHttpsServer(pair, (request, answer) => {
    names.push((request.socket as TLSSocket).servername);
    answer.end();
  });
  const port = await listen(t, server);
  t.is((await visit(`https://127.0.0.1:${port}/`)).succeeded, 10);
  t.is((await visit(`https://localhost:${port}/`)).succeeded, 10);
  t.deepEqual(new Set(names), new Set([false, 'localhost']));
});

withIPv6('an address of IPv6 must be in the certificate as well', async (t) => {
  const start = async (options: ServerOptions) => {
    const server = createHttpsServer({ ...pair, ...options }, (_, answer) => answer.end()).listen(0, '::1');
    await once(server, 'listening');
    t.teardown(() => void server.close());
    return (server.address() as AddressInfo).port;
  };
  t.is((await visit(`https://[::1]:${await start({})}/`)).succeeded, 10);
  t.deepEqual((await visit(`https://[::1]:${await start(elsewhere)}/`)).failures, { tls_name_mismatch: 10 });
});

test('several requests go over one connection of TLS, and over several where the server closes it', async (t) => {
  const keeping = await serve(t);
  const closing = await listen(
    t,
    createHttpsServer(pair, (_, answer) => answer.setHeader('connection', 'close').end('x')),
  );
  t.like(await visit(`https://localhost:${keeping}/`, { requestsPerVisit: 3 }), {
    succeeded: 10,
    connections: 10,
    requests: 30,
  });
  t.like(await visit(`https://localhost:${closing}/`, { requestsPerVisit: 3 }), {
    succeeded: 10,
    connections: 30,
    requests: 30,
  });
});

test('redirects are followed to https, from it and within it, and each handshake is counted', async (t) => {
  const there = await serve(t);
  const plain = await listen(
    t,
    createHttpServer((_, answer) => answer.end(body)),
  );
  const send = (to: string) => (_: unknown, answer: import('node:http').ServerResponse) =>
    void answer.writeHead(307, { location: to }).end();
  const toHttps = send(`https://localhost:${there}/`);
  const toPlain = send(`http://localhost:${plain}/`);
  const ways: [string, number][] = [
    [`http://localhost:${await listen(t, createHttpServer(toHttps))}/`, 10],
    [`https://localhost:${await listen(t, createHttpsServer(pair, toHttps))}/`, 20],
    [`https://localhost:${await listen(t, createHttpsServer(pair, toPlain))}/`, 10],
  ];
  for (const [url, handshakes] of ways) {
    const result = await visit(url);
    t.like(result, { succeeded: 10, connections: 20, redirects: { 307: 10 }, bodyBytes: 10_000 }, url);
    t.is(result.tls?.handshakes, handshakes, url);
  }
});

test('a password is sent to the same server over TLS only, when it was given for that', async (t) => {
  const seen: (string | undefined)[] = [];
  const plain = await listen(
    t,
    createHttpServer((request, answer) => {
      seen.push(request.headers.authorization);
      answer.end();
    }),
  );
  const port = await listen(
    t,
    createHttpsServer(pair, (_, answer) =>
      answer.writeHead(307, { location: `http://localhost:${plain}/` }).end(),
    ),
  );
  t.like(await visit(`https://me:secret@localhost:${port}/`), { succeeded: 10 });
  t.deepEqual(new Set(seen), new Set([undefined]));
});

test('an answer whose end only TLS tells is whole when TLS has told it', async (t) => {
  const port = await listen(
    t,
    createTlsServer(pair, (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`HTTP/1.0 200 OK\r\n\r\n${body}`));
    }),
  );
  t.like(await visit(`https://localhost:${port}/`), { succeeded: 10, failed: 0, bodyBytes: 10_000 });
});

test('whoever answers is visited with --insecure', async (t) => {
  for (const options of [{}, elsewhere, expired]) {
    const port = await serve(t, options);
    t.like(await visit(`https://localhost:${port}/`, { tls: { insecure: true } }), { succeeded: 10 });
  }
});

test('a handshake and an answer that come byte by byte are read', async (t) => {
  const port = await serve(t, {}, 'x');
  const dripping = await serveBetween(t, port, (bytes, client) => {
    for (let i = 0; i < bytes.length; i++) client.write(bytes.subarray(i, i + 1));
  });
  const result = await visit(`https://localhost:${dripping}/`, { rate: 10 });
  t.like(result, { visits: 2, succeeded: 2, bodyBytes: 2 });
});

/** Whose handshake has no records of application data. */
const tls12 = { tls: { ca: authority.ca, version: '1.2' } } as const;
const APPLICATION_DATA = 0x17;

// Nothing beside it: what a late reader finds together has one time.
test.serial(
  'the first byte of an answer has come when its first packet has, whenever the rest of its record comes',
  async (t) => {
    const port = await serve(t, {}, body);
    let answered = 0;
    const halting = await serveBetween(t, port, (bytes, client) => {
      if (bytes[0] !== APPLICATION_DATA) return void client.write(bytes);
      answered++;
      client.write(bytes.subarray(0, 500));
      setTimeout(() => client.write(bytes.subarray(500)), 300);
    });
    const result = await visit(`https://localhost:${halting}/`, tls12);
    t.is(result.succeeded, 10);
    t.is(answered, 10);
    t.true(result.phases.lastByte.p50 >= 280_000, `${result.phases.lastByte.p50}`);
    t.true(result.phases.firstByte.min < 280_000, `${result.phases.firstByte.min}`);
  },
);

test('an aborted run leaves nothing behind of visits within their handshakes', async (t) => {
  const port = await serveTcp(t, () => {});
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  const result = await visit(`https://localhost:${port}/`, { durationMs: 20_000, signal: stop.signal });
  t.false(result.complete);
  t.true(result.interrupted > 0);
});
