import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { explain } from '../../../infra/visits/failures.ts';
import type { VisitOptions } from '../../../infra/visits/options.ts';
import { phaseNames, visitResultSchema } from '../../../infra/visits/result.ts';
import { runVisits } from '../../../infra/visits/run.ts';
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

/** Whose handshake has no records of application data. */
const tls12 = { tls: { ca: authority.ca, version: '1.2' } } as const;
const APPLICATION_DATA = 0x17;

const alert = (description: number) => Buffer.from([0x15, 3, 3, 0, 2, 2, description]);

const failing: [string, string, (t: ExecutionContext) => Promise<number>, Partial<VisitOptions>?][] = [
  ['tls_unknown_ca', 'a certificate that nobody trusts', (t) => serve(t), { tls: {} }],
  ['tls_name_mismatch', 'a certificate for another name', (t) => serve(t, elsewhere)],
  ['tls_expired', 'a certificate that has expired', (t) => serve(t, expired)],
  [
    'tls_alert_protocol_version',
    'no version in common',
    (t) => serve(t, { maxVersion: 'TLSv1.2' }),
    { tls: { ca: authority.ca, version: '1.3' } },
  ],
  ['tls_alert_no_application_protocol', 'no protocol in common', (t) => serve(t, { ALPNProtocols: ['h2'] })],
  ['tls_alert_unrecognized_name', 'an alert', (t) => answerFirst(t, (socket) => socket.end(alert(112)))],
  [
    'tls_alert_handshake_failure',
    'an alert of the oldest kind',
    (t) => answerFirst(t, (socket) => socket.end(alert(40))),
  ],
  ['tls_alert_internal_error', 'an alert that comes in pieces', (t) => answerFirst(t, dripAlert)],
  [
    'tls_not_spoken_but_http',
    'an answer in plain HTTP',
    (t) => answerFirst(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  ],
  [
    'tls_not_spoken',
    'an answer that is not TLS',
    (t) => answerFirst(t, (socket) => socket.write('220 mail.example ESMTP\r\n')),
  ],
  [
    'tls_closed',
    'a connection that ends within the handshake',
    (t) => answerFirst(t, (socket) => socket.end()),
  ],
  [
    'tls_closed',
    'a connection that ends within a record',
    (t) => answerFirst(t, (socket) => socket.end(Buffer.from([0x16, 3, 3, 1, 0, 2]))),
  ],
  [
    'reset',
    'a connection that is reset within the handshake',
    (t) => answerFirst(t, (socket) => socket.resetAndDestroy()),
  ],
  ['tls_timeout', 'a handshake that is not answered', (t) => serveTcp(t, () => {}), { timeoutMs: 1500 }],
  [
    'tls_timeout',
    'a handshake that never ends',
    (t) => answerFirst(t, (socket) => socket.write(Buffer.from([0x16, 3, 3, 0x40, 0, 2, 0, 0x3f]))),
    { timeoutMs: 1500 },
  ],
  ['closed_early', 'an answer that is cut off where only its end would tell its length', cutOff, tls12],
  [
    'timeout',
    'an answer that does not come',
    (t) =>
      listen(
        t,
        createTlsServer(pair, (socket) => void socket.on('error', () => {}).resume()),
      ),
    { timeoutMs: 2500 },
  ],
  [
    'bad_answer',
    'an answer over TLS that is not HTTP',
    (t) =>
      listen(
        t,
        createTlsServer(
          pair,
          (socket) => void socket.on('error', () => {}).once('data', () => socket.end('220 mail\r\n')),
        ),
      ),
  ],
];
for (const [name, what, start, options] of failing) {
  test(`${what} is counted as ${name}`, async (t) => {
    const port = await start(t);
    const result = await visit(`https://localhost:${port}/`, { durationMs: 100, ...options });
    t.deepEqual(result.failures, { [name]: 5 });
    t.like(result, { visits: 5, succeeded: 0, failed: 5 });
    if (name.startsWith('tls_')) t.truthy(explain(name));
  });
}

/** Once the hello has come: closing with unread input would reset the connection instead. */
const answerFirst = (t: ExecutionContext, behave: (socket: import('node:net').Socket) => void) =>
  serveTcp(t, (socket) => void socket.once('data', () => behave(socket)));

async function dripAlert(socket: import('node:net').Socket): Promise<void> {
  socket.setNoDelay();
  for (const byte of alert(80)) {
    socket.write(Buffer.from([byte]));
    await delay(5);
  }
  socket.end();
}

/** The end comes from somebody between, without TLS's own. */
async function cutOff(t: ExecutionContext): Promise<number> {
  const server = createTlsServer(pair, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('HTTP/1.0 200 OK\r\n\r\nhalf of it'));
  });
  const port = await listen(t, server);
  return await serveBetween(t, port, (bytes, client) => {
    client.write(bytes);
    if (bytes[0] === APPLICATION_DATA) client.end();
  });
}

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

test('what was changed on the way is a failure of its own', async (t) => {
  const port = await serve(t, {}, body);
  const changing = await serveBetween(t, port, (bytes, client) => {
    if (bytes[0] === 0x17 && bytes.length >= 1000) bytes[bytes.length - 1]! ^= 1;
    client.write(bytes);
  });
  const result = await visit(`https://localhost:${changing}/`);
  t.is(result.failed, 10);
  t.true(
    Object.keys(result.failures).every((name) => name.startsWith('tls_')),
    JSON.stringify(result.failures),
  );
});

test.serial(
  'garbage of every kind fails a visit, ends no process and leaves no file descriptor',
  async (t) => {
    let number = 0;
    const port = await serveTcp(t, (socket) => {
      const kind = number++ % 6;
      socket.once('data', () => {
        const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * i * 7 + number * 13) & 0xff));
        if (kind < 3) noise.set([0x16, 3, 3, 0x10, 0]);
        if (kind === 1) noise.set([2, 0, 0x0f, 0xfc, 3, 3], 5);
        if (kind === 2) noise.set([0x14, 3, 3, 0, 1, 1], 0);
        if (kind === 3) noise.set([0x80, 0x2e, 1, 3, 1], 0);
        if (kind === 4) return void socket.end(noise);
        socket.write(noise);
      });
    });
    const before = readdirSync('/proc/self/fd').length;
    const result = await visit(`https://localhost:${port}/`, { rate: 200, durationMs: 500, timeoutMs: 4000 });
    t.like(result, { visits: 100, succeeded: 0 });
    await delay(100);
    t.true(readdirSync('/proc/self/fd').length <= before + 5, `${before}`);
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
