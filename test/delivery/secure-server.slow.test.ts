/** `baton delivery --tls-certificate`: one port for HTTP over TLS and plain, HTTP/1 and HTTP/2, and what the lab adds to it. */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2, constants } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { WebSocket } from 'ws';
import { parseHostPort } from '../../shared/units.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { clientHello, getHttps, NAME, openTls, pair, readAll, trust } from '../support/encrypted.ts';
import { open, send } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const undo: (() => Promise<void>)[] = [];
let cluster: Cluster;
let files: { certificate: string; key: string; secret: string };
const tls = () => ['--tls-certificate', files.certificate, '--tls-key', files.key];

test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '1'], []);
  const file = (name: string) => join(cluster.directory, name);
  files = { certificate: file('certificate.pem'), key: file('key.pem'), secret: file('secret') };
  await writeFile(files.certificate, pair.cert);
  await writeFile(files.key, pair.key, { mode: 0o600 });
  await writeFile(files.secret, 'a secret that is long enough for a test', { mode: 0o600 });
  await Promise.all(
    ['d1', 'd2'].map((name) => cluster.addDelivery(name, ...tls(), '--ticket-secret', files.secret)),
  );
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

const ways = () => [cluster.deliveries[0]!.direct, cluster.listen];
const plain = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`;

async function getHttp2(address: string, path = '/whoami', scheme = 'https') {
  const session = connectHttp2(`${scheme}://${address}`, trust);
  const body = await readAll(session.request({ ':path': path }));
  const { alpnProtocol } = session;
  session.close();
  return { alpnProtocol, body };
}

test.serial('one port answers HTTP/1 and HTTP/2, over TLS and plain', async (t) => {
  for (const address of ways()) {
    const transport = address === cluster.listen ? 'fd' : 'direct';
    const bodies = [
      (await getHttps(address, '/whoami')).body,
      (await send(address, plain('/whoami'))).rest.toString(),
      (await getHttp2(address)).body,
      (await getHttp2(address, '/whoami', 'http')).body,
    ];
    for (const body of bodies) t.is((JSON.parse(body) as { transport: string }).transport, transport);
    t.is((await getHttp2(address)).alpnProtocol, 'h2');
  }
});

test.serial(
  'first bytes that come one at a time are waited for, whichever protocol they are of',
  async (t) => {
    const { direct } = cluster.deliveries[0]!;
    const drip = async (bytes: Buffer): Promise<Buffer> => {
      const socket = await open(direct);
      for (const byte of bytes) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const [answer] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return answer;
    };
    t.regex(String(await drip(Buffer.from(plain('/bytes/3')))), /^HTTP\/1\.1 200 OK/);
    // A method that begins as the preface does.
    t.regex(
      String(await drip(Buffer.from(plain('/bytes/3').replace('GET', 'PROPFIND')))),
      /^HTTP\/1\.1 200 OK/,
    );
    t.is((await drip(await clientHello()))[0], 0x16);
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    t.is((await drip(preface))[3], 4, 'SETTINGS');
  },
);

test.serial('who says nothing, or leaves before it has said enough, costs nothing', async (t) => {
  const [delivery] = cluster.deliveries;
  const sockets: Socket[] = [];
  for (const bytes of ['', 'P', 'PR', '\x16', '\x16\x03']) {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const socket = await open(delivery!.direct);
      socket.on('error', () => {});
      socket.resume().write(bytes, 'latin1');
      socket[leave]();
      sockets.push(socket);
    }
  }
  await until(
    'all have ended',
    () => sockets.filter(({ closed, readableEnded }) => !closed && !readableEnded).length,
    (count) => count === 0,
  );
  t.is((await getHttps(delivery!.direct, '/bytes/2')).body, 'ab');
});

test.serial('a client resumes its session on whichever of two deliveries it lands, every time', async (t) => {
  const { host, port } = parseHostPort(cluster.listen)!;
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    let session: Buffer | undefined;
    const seen = new Set<string>();
    let resumed = 0;
    for (let count = 0; count <= 100; count++) {
      const socket = connectTls({
        host,
        port,
        servername: NAME,
        ...trust,
        maxVersion: version,
        ...(session && { session }),
      });
      socket.on('session', (ticket: Buffer) => {
        session = ticket;
      });
      await once(socket, 'secureConnect');
      if (socket.isSessionReused()) resumed++;
      socket.write(plain('/whoami'));
      const answer = await readAll(socket);
      seen.add((JSON.parse(answer.slice(answer.indexOf('{'))) as { delivery: string }).delivery);
    }
    t.is(resumed, 100, version);
    t.deepEqual([...seen].toSorted(), ['d1', 'd2']);
  }
});

test.serial('events come when they are due, over every protocol, and stop when nobody listens', async (t) => {
  for (const address of ways()) {
    const began = Date.now();
    const all = [
      (await getHttps(address, '/events/5/20')).body,
      (await getHttp2(address, '/events/5/20')).body,
      (await getHttp2(address, '/events/5/20', 'http')).body,
    ];
    for (const body of all) {
      const times = [...body.matchAll(/^id: (\d+)\ndata: (\d+)\n\n/gm)].map(([, id, ms]) => [
        Number(id),
        Number(ms),
      ]);
      t.deepEqual(
        times.map(([id]) => id),
        [1, 2, 3, 4, 5],
      );
      const span = times[4]![1]! - times[0]![1]!;
      t.true(span >= 75 && times[0]![1]! >= began - 1, String(span));
    }
  }
  const leaving = await openTls(cluster.listen);
  leaving.write(plain('/events/1000000/50'));
  await once(leaving, 'data');
  leaving.destroy();
  await cluster.untilStatus('it is over', ({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0));
});

test.serial(
  'WebSocket messages come back as they came, plain and encrypted, with what the client offers',
  async (t) => {
    for (const address of ways()) {
      for (const url of [`ws://${address}/any`, `wss://${address}/path?at=all`]) {
        for (const perMessageDeflate of [true, false]) {
          const socket = new WebSocket(url, [], { ...trust, perMessageDeflate });
          await once(socket, 'open');
          t.is(socket.extensions, perMessageDeflate ? 'permessage-deflate' : '', url);
          for (const message of ['', 'text', 'ü'.repeat(70_000), Buffer.alloc(100_000, 7)]) {
            socket.send(message);
            const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
            t.true(data.equals(Buffer.from(message as string)));
            t.is(isBinary, typeof message !== 'string');
          }
          socket.close(1000);
          t.is((await once(socket, 'close'))[0], 1000);
        }
      }
    }
  },
);

test.serial('a request that offers another upgrade is answered as if it did not', async (t) => {
  for (const address of ways()) {
    const request = plain('/bytes/3').replace(
      'Connection: close',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__',
    );
    const socket = await openTls(address);
    socket.write(request);
    const [answer] = await once(socket, 'data');
    t.regex(String(answer), /^HTTP\/1\.1 200 OK\r\n/);
    socket.destroy();
  }
});

test.serial(
  'a client that has ended its side is still answered, and one that has left is let go',
  async (t) => {
    for (const address of ways()) {
      t.is((await send(address, plain('/delay/50'), { halfClose: true })).status, 200);
      const socket = await openTls(address, { allowHalfOpen: true } as object);
      socket.end(plain('/delay/50'));
      t.regex(await readAll(socket), /waited 50 ms/);
      const session = connectHttp2(`https://${address}`, trust);
      t.is(await readAll(session.request({ ':path': '/bytes/1' })), 'a');
      // Without the word that HTTP/2 has for it.
      (session.socket as unknown as { destroySoon(): void }).destroySoon();
      await once(session, 'close');
    }
    await cluster.untilStatus('nothing is left', ({ deliveries }) =>
      deliveries.every(({ inUse }) => inUse === 0),
    );
  },
);

test.serial('told to stop, it ends what it has within its time, whatever its clients do', async (t) => {
  const delivery = await cluster.addDelivery('d3', ...tls(), '--drain-timeout', '1s');
  const { host, port } = parseHostPort(delivery.direct)!;
  const silent = createConnection({ host, port });
  const frozen = await open(delivery.direct);
  frozen.write(await clientHello());
  await once(frozen, 'data');
  const idle = connectHttp2(`https://${delivery.direct}`, trust);
  t.is(await readAll(idle.request({ ':path': '/bytes/1' })), 'a');
  const goodbye = once(idle, 'goaway');
  const busy = connectHttp2(`https://${delivery.direct}`, trust);
  const late = readAll(busy.request({ ':path': '/delay/700' }));
  await once(busy, 'remoteSettings');
  const endless = connectHttp2(`https://${delivery.direct}`, trust);
  const events = endless.request({ ':path': '/events/1000000/10' });
  await once(events, 'response');
  for (const session of [busy, idle, endless]) session.on('error', () => {});
  events.on('error', () => {}).resume();
  const websocket = new WebSocket(`wss://${delivery.direct}/`, [], trust);
  await once(websocket, 'open');
  websocket.on('error', () => {});
  for (const socket of [silent, frozen]) socket.on('error', () => {}).resume();
  const began = performance.now();
  await delivery.stop();
  const took = performance.now() - began;
  t.true(took < 5000, `${took} ms`);
  t.is((await goodbye)[0], constants.NGHTTP2_NO_ERROR);
  t.regex(await late, /waited 700 ms/);
});
