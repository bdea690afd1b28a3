/** Visits over TLS that fail: each is counted under what it failed of, whatever comes instead of an answer. */
import { readdirSync } from 'node:fs';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { explain } from '../../../infra/visits/failures.ts';
import type { VisitOptions } from '../../../infra/visits/options.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createAuthority } from '../../support/authority.ts';
import { listen, serveBetween, serveTcp } from '../../support/tls-servers.ts';
import { until } from '../../support/until.ts';

const authority = createAuthority();
const pair = authority.issue(['localhost', '127.0.0.1', '::1']);
const elsewhere = authority.issue(['elsewhere.example']);
const expired = authority.issue(['localhost'], -1);
test.after.always(() => authority.remove());

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

/** Whose handshake has no records of application data. */
const tls12 = { tls: { ca: authority.ca, version: '1.2' } } as const;
const APPLICATION_DATA = 0x17;

const alert = (description: number) => Buffer.from([0x15, 3, 3, 0, 2, 2, description]);

/** Long enough for what comes before on a busy machine, with twenty tests beside, and nothing to do until then. Milliseconds. */
const HANDSHAKE_WITHIN = 4000;
const ANSWER_WITHIN = 8000;

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
  [
    'tls_timeout',
    'a handshake that is not answered',
    (t) => serveTcp(t, () => {}),
    { timeoutMs: HANDSHAKE_WITHIN },
  ],
  [
    'tls_timeout',
    'a handshake that never ends',
    (t) => answerFirst(t, (socket) => socket.write(Buffer.from([0x16, 3, 3, 0x40, 0, 2, 0, 0x3f]))),
    { timeoutMs: HANDSHAKE_WITHIN },
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
    { timeoutMs: ANSWER_WITHIN },
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
    await until(
      `hardly more files are open than the ${before} before`,
      () => readdirSync('/proc/self/fd').length,
      (count) => count <= before + 5,
    );
  },
);
