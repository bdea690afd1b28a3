/** The head's TLS thread ends, however: what it had is closed in order, another takes its place, and nobody else notices. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Cluster, countFds, startCluster } from '../support/cluster.ts';
import { clientHello, NAME, openTls, pair, sendingAs } from '../support/encrypted.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const REQUEST = `GET /a HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`;
const preload = fileURLToPath(new URL('../support/ending-tls-thread.ts', import.meta.url));

interface Ending {
  readonly cluster: Cluster;
  end(way: string): void;
  /** Resolves while it stands still. */
  standStill(): Promise<void>;
}

async function start(t: ExecutionContext, ...options: string[]): Promise<Ending> {
  const folder = mkdtempSync(join(tmpdir(), 'baton-tls-thread-'));
  const orders = mkdtempSync(join(folder, 'orders-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.cert, pair.cert);
  writeFileSync(files.key, pair.key, { mode: 0o600 });
  const tls = ['--tls-certificate', files.cert, '--tls-key', files.key];
  const before = process.env.NODE_OPTIONS;
  Object.assign(process.env, { NODE_OPTIONS: `${before ?? ''} --import=${preload}`, END_TLS_THREAD: orders });
  let cluster: Cluster;
  try {
    cluster = await startCluster(t, ['--mode', 'redirect', '--workers', '2', ...tls, ...options], []);
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
    delete process.env.END_TLS_THREAD;
  }
  await cluster.addDelivery('d1', ...tls);
  const end = (way: string) => {
    writeFileSync(join(orders, way), '');
    unlinkSync(join(orders, way));
  };
  return {
    cluster,
    end,
    async standStill() {
      end('stand-still');
      await until('it stands still', () => existsSync(join(orders, 'stands-still')), Boolean);
      unlinkSync(join(orders, 'stands-still'));
    },
  };
}

const ask = async (listen: string): Promise<string> => {
  const socket = await openTls(listen);
  socket.write(REQUEST);
  return await text(socket);
};

/** Resolves with how it ended. */
function ended(socket: Socket | TLSSocket): Promise<'end' | string> {
  return new Promise((resolve) => {
    socket.resume();
    socket.once('end', () => resolve('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('closed'));
  });
}

for (const way of ['throw', 'throw-nothing', 'exit']) {
  test.serial(`its TLS thread ends (${way}): its connections end, and the next are answered`, async (t) => {
    const { cluster, end } = await start(t);
    const { listen, head } = cluster;
    t.regex(await ask(listen), /^HTTP\/1\.1 307/);
    await cluster.untilStatus('all are over', (status) => status.open + status.lingering === 0);
    const fds = await countFds(head.pid);
    const hello = await clientHello();

    // One that was handed over, by a name that the head has no certificate for.
    const handed = await openTls(listen, { servername: 'other.test', checkServerIdentity: () => undefined });
    // In the midst of the handshake; with half a request; with an answer, and not gone yet.
    const shaking = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const socket = await open(listen);
        socket.write(hello);
        await once(socket, 'readable');
        return socket;
      }),
    );
    const asking = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const socket = await openTls(listen);
        socket.write('GET / HT');
        return socket;
      }),
    );
    const answered = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const socket = await openTls(listen, { allowHalfOpen: true } as object);
        socket.write(REQUEST);
        await once(socket, 'readable');
        return socket;
      }),
    );
    await cluster.untilStatus('all are there', ({ open: some, lingering }) => some + lingering >= 30);
    const ends = [...shaking, ...asking].map(ended);
    end(way);
    // What can be seen of it: the connection has ended, and not by a reset.
    for (const how of await Promise.all(ends)) t.is(how, 'end', way);
    // The answer that they had is whole.
    for (const socket of answered) {
      t.regex(String(socket.read()), /^HTTP\/1\.1 307 .*\r\nLocation: https:/s);
      socket.destroy();
    }
    for (const socket of [...shaking, ...asking]) socket.destroy();

    // Who comes meanwhile, or next, over TLS waits for the next thread, or finds it.
    const next = await until(
      'it answers again',
      () => ask(listen).catch((error: Error) => error.message),
      (answer) => answer.startsWith('HTTP/1.1 307'),
    );
    t.regex(next, /Location: https:/);
    const plain = await open(listen);
    plain.write(REQUEST);
    t.regex(await text(plain), /^HTTP\/1\.1 307/);
    handed.write(REQUEST.replace('/a', '/bytes/3'));
    t.regex(await text(handed), /^HTTP\/1\.1 200 OK.*abc$/s);

    await cluster.untilStatus('all are over', (status) => status.open + status.lingering === 0);
    await until(
      'no fd is left',
      () => countFds(head.pid),
      (count) => count <= fds,
    );
    const status = await cluster.status();
    const sum = (counts: object) => Object.values(counts).reduce((all: number, one: number) => all + one, 0);
    t.is(
      sum(status.outcomes.redirect!) + sum(status.inspectionFailures),
      status.accepted,
      'each is counted once',
    );
    t.is(status.inspectionFailures.handshake_failed! >= 20, true);
  });
}

test.serial('a thread that ends again and again costs its own clients alone', async (t) => {
  const { cluster, end } = await start(t);
  const { listen } = cluster;
  for (let round = 0; round < 5; round++) {
    end('exit');
    const over = await Promise.allSettled(Array.from({ length: 10 }, () => ask(listen)));
    for (const one of over) {
      if (one.status === 'fulfilled') t.regex(one.value, /^(HTTP\/1\.1 307|$)/);
      else t.not((one.reason as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    }
    const plain = await open(listen);
    plain.write(REQUEST);
    t.regex(await text(plain), /^HTTP\/1\.1 307/);
  }
  await until(
    'it answers again',
    () => ask(listen).catch((error: Error) => error.message),
    (answer) => answer.startsWith('HTTP/1.1 307'),
  );
  await cluster.untilStatus('all are over', (status) => status.open + status.lingering === 0);
});

test.serial('a client whose time runs out while the thread is busy has an answer', async (t) => {
  const { cluster, standStill } = await start(t, '--head-timeout', '1s');
  let flights = 0;
  const socket = await sendingAs(cluster.listen, async (to, bytes) => {
    // Its part of the handshake comes in time, but not to a thread that listens.
    if (++flights === 2) await standStill();
    to.write(bytes);
  });
  const client = await openTls(cluster.listen, { socket });
  client.write(REQUEST);
  t.regex(await text(client), /^HTTP\/1\.1 307/);
  t.true(flights >= 2);
});
