/** Connections that begin with the hello of TLS, and others whose clients could follow no redirect. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import test from 'ava';
import { pino } from 'pino';
import { receiveConnections } from '../../delivery/index.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { type Mode, modes } from '../../shared/status.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { getOption } from '../../shared/sys/socket-options.ts';
import { closeFd, peek, setNoDelay, write } from '../../shared/sys/sockets.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { intoRecords, messageOf, type Recorded, recordCommon } from '../support/hellos.ts';
import { answerTo, open, send } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const names = ['shop.example', 'a.img.example'];
const certificate = makeCertificate(names);
let cluster: Cluster;
let hellos: Recorded[];
const undo: (() => Promise<void>)[] = [];

test.before(async () => {
  hellos = await recordCommon();
  cluster = await startCluster(
    { teardown: (step) => undo.push(step) },
    ['--workers', '1', '--head-timeout', '1s'],
    [],
  );
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

interface Scope {
  teardown(step: () => Promise<void>): void;
}

/** Feeds `server` for as long as a test runs. */
async function feed(t: Scope, server: Server): Promise<void> {
  const receiver = receiveConnections(server, { head: cluster.socket, log, name: 'd1', direct: null });
  t.teardown(async () => {
    await receiver.close(0);
  });
  await receiver.ready;
}

const httpsServer = (): Server =>
  createHttpsServer(certificate, (request, response) => {
    response.end(`${request.url} of ${(request.socket as TLSSocket & { servername: string }).servername}`);
  });

/** The head has settled all that it was given. */
const untilCounted = (mode: Mode, outcome: string, count: number) =>
  cluster.untilStatus(`${count} are ${outcome}`, ({ outcomes }) => outcomes[mode]![outcome] === count);

async function ask(socket: TLSSocket, path = '/'): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const secure = (socket: Socket, servername: string, options = {}): TLSSocket =>
  connectTls({ socket, servername, rejectUnauthorized: false, ...options });

const failures = async (reason: string): Promise<number> =>
  (await cluster.status()).inspectionFailures[reason]!;

for (const mode of modes) {
  test.serial(`${mode}: a TLS connection is handed over before its handshake, and counted so`, async (t) => {
    await cluster.setMode(mode);
    await feed(t, httpsServer());
    const before = (await cluster.status()).outcomes[mode]!.taken!;
    for (const [i, options] of [{}, { maxVersion: 'TLSv1.2' }, { ecdhCurve: 'P-384' }].entries()) {
      const answer = await ask(secure(await open(cluster.listen), 'shop.example', options), `/${i}`);
      t.true(answer.endsWith(`/${i} of shop.example`), answer);
    }
    await untilCounted(mode, 'taken', before + 3);
    await cluster.setMode('handoff');
  });
}

for (const [mode, status] of [
  ['redirect', 307],
  ['created', 201],
] as const) {
  test.serial(`${mode}: who could not follow is handed over, and nobody else`, async (t) => {
    await cluster.setMode(mode);
    t.teardown(() => cluster.setMode('handoff'));
    const rogue = await startRogue(cluster.socket, { direct: '127.0.0.1:9' });
    t.teardown(async () => rogue.die());
    const memory = allocate(4096);
    for (const request of [
      'GET /chat?a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes',
      'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
    ]) {
      const socket = await open(cluster.listen);
      // Closed unread.
      socket.on('error', () => {});
      t.teardown(async () => void socket.destroy());
      socket.write(request, 'latin1');
      const { first, fds } = await rogue.offered();
      rogue.say(2, first, 1);
      // Not a byte was consumed.
      const n = peek(fds[0]!, memory, 0, 4096);
      t.is(memory.bytes.toString('latin1', 0, n), request);
      fds.forEach(closeFd);
    }
    for (const fields of [
      'Host: x\r\n',
      'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n',
    ]) {
      const reply = await send(cluster.listen, `GET /a?b HTTP/1.1\r\n${fields}\r\n`);
      t.is(reply.status, status);
      t.is(reply.headers.location, 'http://127.0.0.1:9/a?b');
    }
  });
}

test.serial(
  'a hello of one-byte packets, and one of many records, is handed over like any other',
  async (t) => {
    await feed(t, httpsServer());
    const { bytes } = hellos.find(({ what }) => what.includes('post-quantum'))!;
    for (const flight of [bytes, intoRecords(messageOf(bytes), [1, 1, 2, 100, 400])]) {
      const socket = await open(cluster.listen);
      for (const byte of flight) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      // The server answers to the recorded hello; nobody has its keys.
      const [answer] = (await once(socket, 'data')) as [Buffer];
      t.is(answer[0], 22, 'a handshake record');
      t.is(answer[5], 2, 'ServerHello');
      socket.destroy();
    }
  },
);

/** Times that the head's only worker was woken or had to wait. */
async function switches(): Promise<number> {
  const folder = `/proc/${cluster.head.pid}/task`;
  for (const task of await readdir(folder)) {
    if ((await readFile(`${folder}/${task}/comm`, 'utf8')).trim() !== 'acceptor 0') continue;
    return Number(
      /^voluntary_ctxt_switches:\s+(\d+)/m.exec(await readFile(`${folder}/${task}/status`, 'utf8'))![1],
    );
  }
  throw new Error('no worker');
}

test.serial(
  'a hello in many packets wakes the head when it is whole, and the socket is handed over as it was',
  async (t) => {
    const rogue = await startRogue(cluster.socket);
    t.teardown(async () => rogue.die());
    const { bytes } = hellos.find(({ what }) => what.includes('post-quantum'))!;
    const socket = await open(cluster.listen);
    t.teardown(async () => void socket.destroy());
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    setNoDelay(fd);
    const packet = allocate(bytes.length);
    packet.bytes.set(bytes);
    // Its first look finds the header of the record, so the kernel knows what to wait for.
    write(fd, packet, 0, 100);
    await until(
      'it is seen',
      () => cluster.status(),
      ({ open: count }) => count === 1,
    );
    const before = await switches();
    for (let at = 100; at < bytes.length; at++) write(fd, packet, at, 1);
    const { first, fds } = await rogue.offered();
    rogue.say(2, first, 1);
    const woken = (await switches()) - before;
    t.log(`${bytes.length - 100} packets, ${woken} times woken`);
    t.true(woken < 40, `${woken} times woken`);
    t.is(getOption(fds[0]!, 1, 18, 4).getInt32(0, true), 1, 'SO_RCVLOWAT');
    const memory = allocate(32_768);
    t.is(peek(fds[0]!, memory, 0, 32_768), bytes.length);
    t.true(memory.bytes.subarray(0, bytes.length).equals(bytes));
    fds.forEach(closeFd);
  },
);

test.serial(
  'with --defer-accept, which waits for the first segment alone, a hello in two is handed over whole',
  async (t) => {
    const deferring = await startCluster(t, ['--workers', '1', '--defer-accept', '3s'], []);
    const rogue = await startRogue(deferring.socket);
    t.teardown(async () => rogue.die());
    const { bytes } = hellos.find(({ what }) => what.includes('post-quantum'))!;
    const socket = await open(deferring.listen);
    socket.on('error', () => {});
    t.teardown(async () => void socket.destroy());
    socket.write(bytes.subarray(0, 1400));
    await deferring.untilStatus('it is accepted', ({ open: count }) => count === 1);
    socket.write(bytes.subarray(1400));
    const { first, fds } = await rogue.offered();
    rogue.say(2, first, 1);
    t.is(peek(fds[0]!, allocate(32_768), 0, 32_768), bytes.length);
    fds.forEach(closeFd);
  },
);

test.serial('what is no hello gets the alert for it, and what nobody can take another one', async (t) => {
  const { bytes } = hellos[0]!;
  const wrong = Buffer.from(bytes);
  wrong[5] = 2;
  const badBefore = await failures('bad_hello');
  t.is(await answerTo(cluster.listen, wrong), '15030300020232', 'decode_error');
  t.is(
    await answerTo(cluster.listen, Buffer.concat([wrong, Buffer.alloc(300_000)])),
    '15030300020232',
    'much behind it',
  );
  t.is(await failures('bad_hello'), badBefore + 2);
  const half = await failures('incomplete');
  t.is(
    await answerTo(cluster.listen, bytes.subarray(0, 60), true),
    '15030300020232',
    'half of one, and the end',
  );
  t.is(await failures('incomplete'), half + 1);
  const { outcomes } = await cluster.status();
  t.is(await answerTo(cluster.listen, bytes), '15030300020250', 'internal_error: nobody is there');
  await untilCounted('handoff', 'unavailable', outcomes.handoff!.unavailable! + 1);
});

test.serial(
  'what is too long, too slow or of SSL 2.0 is closed and counted under its own name',
  async (t) => {
    const long = Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x40, 1]);
    t.is(await answerTo(cluster.listen, long), '');
    t.is(await failures('hello_too_large'), 1);
    t.is(await answerTo(cluster.listen, Buffer.from([0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16])), '');
    t.is(await failures('sslv2'), 1);
    t.is(await answerTo(cluster.listen, hellos[0]!.bytes.subarray(0, 50)), '');
    t.is(await failures('hello_too_slow'), 1);
    t.is(await answerTo(cluster.listen, Buffer.from([22])), '', 'one byte');
    t.is(await failures('hello_too_slow'), 2);
    t.is((await cluster.status()).open, 0);
  },
);
