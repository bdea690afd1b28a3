/** A head with certificates: in the modes that answer it speaks TLS itself, whatever clients do meanwhile. */
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { type Head, startHead } from '../../head/index.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { BatonError } from '../../shared/errors.ts';
import { parseHostPort } from '../../shared/units.ts';
import { type Cluster, countFds, startCluster } from '../support/cluster.ts';
import { recordCommon } from '../support/hellos.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const shop = makeCertificate(['shop.example', '*.shop.example']);
const images = makeCertificate(['img.example']);
const REQUEST = 'GET /a?b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n';

function writePair(directory: string, name: string, { cert, key }: { cert: string; key: string }) {
  const files = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  return files;
}

/** A head that has both certificates, and delivers with one whose port speaks TLS too. */
async function start(t: ExecutionContext, mode: string, names = ['d1'], ...args: string[]) {
  const directory = await folder(t);
  const [first, second] = [writePair(directory, 'shop', shop), writePair(directory, 'images', images)];
  const tls = [
    '--tls-certificate',
    `${first.cert},${second.cert}`,
    '--tls-key',
    `${first.key},${second.key}`,
  ];
  const cluster = await startCluster(t, ['--mode', mode, '--workers', '1', ...tls, ...args], []);
  for (const name of names)
    await cluster.addDelivery(name, '--tls-certificate', first.cert, '--tls-key', first.key);
  return { cluster, first, directory };
}

async function openTls(address: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { host, port } = parseHostPort(address)!;
  const socket = connectTls({
    host,
    port,
    servername: 'shop.example',
    rejectUnauthorized: false,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(address: string, options: ConnectionOptions = {}, request = REQUEST): Promise<string> {
  const socket = await openTls(address, options);
  socket.write(request);
  return await text(socket);
}

/** A folder that is gone after the test. */
async function folder(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const nameOf = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;
const failures = (cluster: Cluster, reason: string) =>
  cluster.metric(`baton_inspection_failures_total{reason="${reason}"}`);

for (const [mode, status] of [
  ['redirect', '307 Temporary Redirect'],
  ['created', '201 Created'],
] as const) {
  test.serial(
    `${mode} over TLS: each version, by the certificate of the name, to where TLS is spoken`,
    async (t) => {
      const { cluster } = await start(t, mode);
      const { direct } = cluster.deliveries[0]!;
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const answer = await ask(cluster.listen, { minVersion: version, maxVersion: version });
        t.true(answer.startsWith(`HTTP/1.1 ${status}\r\n`), answer);
        t.true(answer.includes(`\r\nLocation: https://${direct}/a?b\r\n`), answer);
      }
      for (const [servername, name] of [
        ['shop.example', 'shop.example'],
        ['www.shop.example', 'shop.example'],
        ['IMG.example', 'img.example'],
        ['', 'shop.example'],
      ]) {
        const socket = await openTls(cluster.listen, { servername });
        t.is(nameOf(socket), name, servername);
        socket.destroy();
      }
      await cluster.untilStatus('all are over', ({ open: some, lingering }) => some + lingering === 0);
      const { outcomes } = await cluster.status();
      t.is(outcomes[mode]!.answered, 2);
      t.is(await failures(cluster, 'client_gone'), 4);
    },
  );
}

test.serial(
  'who could not follow is handed over: a name without a certificate, HTTP/2 alone; plain HTTP is answered as ever',
  async (t) => {
    const { cluster } = await start(t, 'redirect');
    const other = await ask(cluster.listen, { servername: 'other.example' });
    t.true(other.startsWith('HTTP/1.1 404') || other.startsWith('HTTP/1.1 200'), other);
    const h2 = await openTls(cluster.listen, { ALPNProtocols: ['h2'] });
    t.is(h2.alpnProtocol, 'h2');
    h2.destroy();
    const both = await openTls(cluster.listen, { ALPNProtocols: ['h2', 'http/1.1'] });
    t.is(both.alpnProtocol, 'http/1.1');
    both.destroy();
    const plain = await open(cluster.listen);
    plain.write(REQUEST);
    t.regex(await text(plain), /^HTTP\/1\.1 307 .*\r\nLocation: http:\/\/127/s);
    const { outcomes } = await cluster.status();
    t.is(outcomes.redirect!.taken, 2);
  },
);

test.serial(
  'what clients do before, in and after a handshake ends with them: no fd stays, and each is counted',
  async (t) => {
    const { cluster } = await start(t, 'redirect', ['d1'], '--head-timeout', '1s', '--linger-idle', '500ms');
    const { listen } = cluster;
    t.regex(await ask(listen), /^HTTP\/1\.1 307/);
    await cluster.untilStatus('all are over', ({ open: some, lingering }) => some + lingering === 0);
    const fds = await countFds(cluster.head.pid);
    const said = async (bytes: string | Buffer, how: 'wait' | 'end' = 'wait') => {
      const socket = await openTls(listen);
      if (bytes.length > 0) socket.write(bytes);
      if (how === 'end') socket.end();
      const answer = await text(socket);
      socket.destroy();
      return answer.slice(0, 12);
    };
    t.is(await said(''), 'HTTP/1.1 408');
    t.is(await said('GET / HT'), 'HTTP/1.1 408');
    t.is(await said('GET / HTTP/1.1\r\nA: b', 'end'), 'HTTP/1.1 400');
    t.is(await said('', 'end'), '');
    t.is(await said('\x16\x03\x01\x02\x00 not http\r\n\r\n'), 'HTTP/1.1 400');
    t.is(await said('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP/1.1 400');
    t.is(await said(`GET / HTTP/1.1\r\nA: ${'b'.repeat(100_000)}\r\n\r\n`), 'HTTP/1.1 431');
    t.is(
      await said(`POST / HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n${'b'.repeat(1_000_000)}`),
      'HTTP/1.1 307',
    );
    t.is(await said('GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n'), 'HTTP/1.1 307');

    // One byte at a time, in the hello as in the request.
    const slow = await openTls(listen);
    for (const byte of REQUEST) {
      slow.write(byte);
      await new Promise(setImmediate);
    }
    t.regex(await text(slow), /^HTTP\/1\.1 307/);

    const half = await open(listen);
    const hello = (await recordCommon())[1]!.bytes;
    half.write(hello);
    half.resetAndDestroy();
    const broken = await open(listen);
    broken.write(hello);
    broken.write('this is no record');
    t.truthy(await text(broken).catch(() => 'reset'));
    const silent = await open(listen);
    silent.write(hello);
    await text(silent).catch(() => 'reset');
    await Promise.allSettled(Array.from({ length: 100 }, () => ask(listen)));
    await cluster.untilStatus('all are over', ({ open: some, lingering }) => some + lingering === 0);
    await until(
      'no fd is left',
      () => countFds(cluster.head.pid),
      (count) => count <= fds,
    );
    const status = await cluster.status();
    const outcomes = Object.values(status.outcomes.redirect!).reduce((sum, count) => sum + count, 0);
    const refused = Object.values(status.inspectionFailures).reduce((sum, count) => sum + count, 0);
    t.is(outcomes + refused, status.accepted);
    t.true((await failures(cluster, 'handshake_failed')) >= 2);
  },
);

test.serial('nobody can take it: an answer over TLS, and elsewhere an alert', async (t) => {
  const { cluster } = await start(t, 'handoff', [], '--first-delivery-within', '0');
  t.regex(await ask(cluster.listen), /^HTTP\/1\.1 503 .*\r\nRetry-After: 1\r\n/s);
  const error = await t.throwsAsync(ask(cluster.listen, { servername: 'other.example' }));
  t.regex((error as NodeJS.ErrnoException).code!, /^ERR_SSL_TLSV1_ALERT/);
});

test.serial('on SIGHUP the certificates are read again, and wrong ones are refused', async (t) => {
  const { cluster, first, directory } = await start(t, 'redirect');
  const fingerprint = async () => {
    const socket = await openTls(cluster.listen);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const before = await fingerprint();
  writeFileSync(first.cert, 'nothing');
  process.kill(cluster.head.pid, 'SIGHUP');
  t.is(await fingerprint(), before);
  writePair(directory, 'shop', makeCertificate(['shop.example']));
  process.kill(cluster.head.pid, 'SIGHUP');
  await until('the new one is shown', fingerprint, (now) => now !== before);
});

test.serial('a head that stops answers who is in the midst of it', async (t) => {
  const { cluster } = await start(t, 'redirect');
  const asking = await openTls(cluster.listen);
  const silent = await openTls(cluster.listen);
  const stopped = cluster.head.stop();
  asking.write(REQUEST);
  t.regex(await text(asking), /^HTTP\/1\.1 307/);
  t.regex(await text(silent), /^HTTP\/1\.1 408/);
  await stopped;
});

test('files that are no certificate and key are refused in one line, before anybody can come', async (t) => {
  const directory = await folder(t);
  const good = writePair(directory, 'good', shop);
  const other = writePair(directory, 'other', images);
  const nothing = join(directory, 'nothing');
  const open1 = join(directory, 'open.key');
  writeFileSync(open1, shop.key);
  chmodSync(open1, 0o604);
  const listen = '127.0.0.1:0';
  const head = (tlsCertificate?: string, tlsKey?: string) =>
    startHead({
      listen,
      socket: join(directory, 's'),
      workers: 1,
      ...(tlsCertificate && { tlsCertificate }),
      ...(tlsKey && { tlsKey }),
    });
  const refused = async (starting: Promise<Head>, code: string, what: string) => {
    const error = await t.throwsAsync(starting, { instanceOf: BatonError });
    t.is(error?.code, code as never);
    t.true(error?.message.includes(what), error?.message);
    t.false(error?.message.includes('\n'));
  };
  await refused(head(good.cert), 'BAD_OPTION', '--tls-key');
  await refused(head(undefined, good.key), 'BAD_OPTION', '--tls-certificate');
  await refused(head(`${good.cert},${other.cert}`, good.key), 'BAD_OPTION', 'as many files');
  await refused(head(nothing, good.key), 'CERTIFICATE_UNUSABLE', nothing);
  await refused(head(good.key, good.key), 'CERTIFICATE_UNUSABLE', good.key);
  await refused(head(good.cert, good.cert), 'CERTIFICATE_UNUSABLE', good.cert);
  await refused(head(good.cert, other.key), 'CERTIFICATE_UNUSABLE', other.key);
  await refused(head(good.cert, open1), 'CERTIFICATE_UNUSABLE', open1);
});
