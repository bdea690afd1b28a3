/** The files of a delivery that speaks TLS: read again when it is told to, and what is wrong with them is said. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { baton } from '../../infra/lab/service.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { clientHello, NAME, openTls, pair, readAll } from '../support/encrypted.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const undo: (() => Promise<void>)[] = [];
let cluster: Cluster;
let files: { certificate: string; key: string; secret: string };

test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '1'], []);
  const file = (name: string) => join(cluster.directory, name);
  files = { certificate: file('certificate.pem'), key: file('key.pem'), secret: file('secret') };
  await writeFile(files.certificate, pair.cert);
  await writeFile(files.key, pair.key, { mode: 0o600 });
  await writeFile(files.secret, 'a secret that is long enough for a test', { mode: 0o600 });
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

const plain = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`;

test.serial(
  'on SIGHUP its certificate is read again; a wrong one is refused, and the one before stays',
  async (t) => {
    const file = (name: string) => join(cluster.directory, `again-${name}`);
    const write = async (cert: string, key: string) => {
      // As tools replace them: never half of one.
      for (const [name, text] of Object.entries({ 'cert.pem': cert, 'key.pem': key })) {
        await writeFile(file(`${name}.new`), text, { mode: 0o600 });
        await rename(file(`${name}.new`), file(name));
      }
    };
    await write(pair.cert, pair.key);
    let log = '';
    const args = ['--name', 'again', '--head', cluster.socket, '--ticket-secret', files.secret];
    const delivery = execa(
      baton[0]!,
      [
        ...baton.slice(1),
        'delivery',
        ...args,
        '--tls-certificate',
        file('cert.pem'),
        '--tls-key',
        file('key.pem'),
      ],
      { reject: false, buffer: false },
    );
    t.teardown(async () => {
      delivery.kill('SIGKILL');
      await delivery;
    });
    delivery.stderr.on('data', (chunk: Buffer) => {
      log += String(chunk);
    });
    const [first] = (await once(delivery.stdout, 'data')) as [Buffer];
    const { direct } = JSON.parse(String(first)) as { direct: string };
    // Another subject: of two with the same one OpenSSL looks at the first.
    const other = makeCertificate(['again.test', NAME]);
    const both = { ca: [pair.cert, other.cert] };
    const shown = async (session?: Buffer) => {
      const socket = await openTls(direct, { ...both, ...(session && { session }) });
      const { raw } = socket.getPeerCertificate();
      const resumed = socket.isSessionReused();
      const ticket = once(socket, 'session');
      socket.write(plain('/bytes/3'));
      const [next] = (await ticket) as [Buffer];
      t.regex(await readAll(socket), /^HTTP\/1\.1 200 OK/);
      return { raw, next, resumed };
    };
    const der = (cert: string) => new X509Certificate(cert).raw;
    const before = await shown();
    t.deepEqual(before.raw, der(pair.cert));
    const kept = await openTls(direct, both);

    // The key of another certificate: refused, and told.
    await write(other.cert, pair.key);
    delivery.kill('SIGHUP');
    await until(
      'it is refused',
      async () => log,
      (text) => /it is not the key of .*again-cert\.pem.*the certificate stays as it was/.test(text),
    );
    t.deepEqual((await shown()).raw, der(pair.cert));

    await write(other.cert, other.key);
    delivery.kill('SIGHUP');
    await until(
      'it is read',
      async () => log,
      (text) => text.includes('the certificate was read again'),
    );
    t.deepEqual((await shown()).raw, der(other.cert));
    // What was begun before goes on, and sessions resume.
    const { raw } = (await openTls(cluster.listen, both)).getPeerCertificate();
    t.true([pair.cert, other.cert].some((cert) => der(cert).equals(raw)));
    kept.write(plain('/bytes/3'));
    t.regex(await readAll(kept), /^HTTP\/1\.1 200 OK/);
    t.true((await shown(before.next)).resumed);

    // Twice in a row, while clients are in the midst of their handshakes.
    const hello = await clientHello();
    const halves = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = await open(direct);
        socket.write(hello.subarray(0, 200));
        return socket;
      }),
    );
    delivery.kill('SIGHUP');
    delivery.kill('SIGHUP');
    for (const socket of halves) {
      socket.write(hello.subarray(200));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      t.is(answer[0], 0x16);
      socket.destroy();
    }
    t.deepEqual((await shown()).raw, der(other.cert));
  },
);

test.serial('what is wrong with its files is said in a line', async (t) => {
  const { certificate, key } = files;
  const none = join(cluster.directory, 'none.pem');
  const run = async (...args: string[]) => {
    const { stderr, exitCode } = await execa(baton[0]!, [...baton.slice(1), 'delivery', ...args], {
      reject: false,
      timeout: 20_000,
    });
    return `${exitCode} ${stderr}`;
  };
  for (const [args, expected] of [
    [['--tls-certificate', certificate], /^2 baton: --tls-key: needed with --tls-certificate/],
    [['--tls-key', key], /^2 baton: --tls-certificate: needed with --tls-key/],
    [['--tls-certificate', none, '--tls-key', key], /^2 baton: cannot use .*none\.pem: it does not exist;/],
    [['--tls-certificate', key, '--tls-key', key], /^2 baton: cannot use .*key\.pem: it is no certificate/],
    [
      ['--tls-certificate', certificate, '--tls-key', certificate],
      /^2 baton: cannot use .*certificate\.pem: everybody can read it \(chmod o= it\);/,
    ],
    [['--ticket-secret', files.secret], /^2 baton: --ticket-secret: only a server that speaks TLS/],
  ] as const) {
    const said = await run(...args);
    t.regex(said, expected);
    t.is(said.split('\n').length, 1, said);
  }
});
