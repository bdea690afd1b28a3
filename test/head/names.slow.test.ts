/** Choice by the server's name, over a head with more than one worker. */
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { pino } from 'pino';
import { type ReceiveOptions, type Receiver, receiveConnections } from '../../delivery/index.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { startService } from '../../infra/lab/service.ts';
import { createServer as createHttpServer } from '../../shared/node-http.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { needing } from '../support/needs.ts';
import { open, send } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const certificate = makeCertificate(['*.example']);
let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];

test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '2'], []);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

interface Scope {
  teardown(step: () => Promise<void>): void;
}

async function feed(t: Scope, server: Server, options: ReceiveOptions): Promise<Receiver> {
  const receiver = receiveConnections(server, { head: cluster.socket, log, direct: null, ...options });
  t.teardown(() => receiver.close(0));
  await receiver.ready;
  return receiver;
}

/** Servers that answer with who they are. */
const web = (who: string): Server => createHttpServer((_request, response) => response.end(who));
const secure = (who: string): Server =>
  createHttpsServer(certificate, (_request, response) => response.end(who));

const over = async (target: string, host?: string): Promise<string> => {
  const field = host === undefined ? '' : `Host: ${host}\r\n`;
  // Without a Host Node's server takes only what is older.
  const version = host === undefined ? '1.0' : '1.1';
  const request = `GET ${target} HTTP/${version}\r\n${field}Connection: close\r\n\r\n`;
  const reply = await send(cluster.listen, request);
  return reply.status === 200 ? /[a-z]+\d?/.exec(reply.rest.toString())![0] : String(reply.status);
};

async function overTls(servername: string): Promise<string> {
  const socket: TLSSocket = connectTls({
    socket: await open(cluster.listen),
    servername,
    rejectUnauthorized: false,
  });
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!;
  }
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString().split('\r\n\r\n')[1]!;
}

/** Both workers get some of so many, most likely; each answer must be right whoever had it. */
const TIMES = 8;
async function always(
  t: { is(a: unknown, b: unknown, m?: string): void },
  ask: () => Promise<string>,
  who: string,
  m: string,
) {
  const answers = await Promise.all(Array.from({ length: TIMES }, ask));
  for (const answer of answers) t.is(answer, who, m);
}

test.serial(
  'TLS by its server name and HTTP by Host reach who serves the name, and nobody else',
  async (t) => {
    await feed(t, secure('shop'), { name: 'd-shop', serves: ['Shop.Example.'] });
    await feed(t, secure('img'), { name: 'd-img', serves: ['*.img.example'] });
    await feed(t, web('web'), { name: 'd-web', serves: ['web.example', '*.web.example'] });
    await always(t, () => overTls('shop.example'), 'shop', 'exact');
    await always(t, () => overTls('a.img.example'), 'img', 'below');
    await always(t, () => overTls('A.B.IMG.example'), 'img', 'further below');
    await always(t, () => over('/', 'web.example'), 'web', 'Host');
    await always(t, () => over('/', 'x.WEB.example:8080'), 'web', 'Host with a port');
    await always(
      t,
      () => over('http://web.example/a', 'shop.example'),
      'web',
      'the absolute form before Host',
    );
    const { deliveries, outcomes } = await cluster.status();
    t.deepEqual(
      Object.fromEntries(
        deliveries.filter(({ state }) => state === 'up').map(({ name, serves }) => [name, serves]),
      ),
      {
        'd-shop': ['shop.example'],
        'd-img': ['*.img.example'],
        'd-web': ['web.example', '*.web.example'],
      },
    );
    t.is(outcomes.handoff!.misdirected, 0);
    await always(t, () => overTls('elsewhere.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'nobody');
    await always(t, () => overTls('img.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'not below it');
    await always(t, () => over('/', 'elsewhere.example'), '421', 'nobody');
    await always(t, () => over('/', '127.0.0.1'), '421', 'an address');
    await always(t, () => over('/'), '421', 'no name at all');
    await cluster.untilStatus(
      'they are counted',
      ({ outcomes: now }) => now.handoff!.misdirected === 5 * TIMES,
    );
  },
);

test.serial('whoever says nothing of names serves what nobody else does', async (t) => {
  await feed(t, web('web'), { name: 'd-web', serves: ['web.example'] });
  const other = await feed(t, web('other'), { name: 'd-other' });
  await always(t, () => over('/', 'web.example'), 'web', 'the more specific');
  await always(t, () => over('/', 'elsewhere.example'), 'other', 'every name');
  await always(t, () => over('/'), 'other', 'no name');
  await other.close(0);
  await until(
    'each worker knows that it has gone',
    () => Promise.all(Array.from({ length: TIMES }, () => over('/', 'elsewhere.example'))),
    (answers) => answers.every((answer) => answer === '421'),
  );
  t.pass();
});

test.serial(
  'a drained delivery leaves its names to another that serves them, and takes them back',
  async (t) => {
    await feed(t, web('web1'), { name: 'd-web', serves: ['web.example'] });
    await feed(t, web('web2'), { name: 'd-web2', serves: ['web.example'] });
    await feed(t, web('img'), { name: 'd-img', serves: ['img.example'] });
    await cluster.drain('d-web', true);
    await always(t, () => over('/', 'web.example'), 'web2', 'drained');
    await cluster.drain('d-web2', true);
    await always(t, () => over('/', 'web.example'), '503', 'both are, for the time being');
    await cluster.drain('d-web', false);
    await always(t, () => over('/', 'web.example'), 'web1', 'back');
    await cluster.drain('d-web2', false);
  },
);

test.serial('one that comes again with other names serves these', async (t) => {
  const first = await feed(t, web('one'), { name: 'd-web', serves: ['a.example'] });
  await feed(t, web('other'), { name: 'd-other', serves: ['c.example'] });
  await always(t, () => over('/', 'a.example'), 'one', 'at first');
  await first.close(0);
  const second = await feed(t, web('two'), { name: 'd-web', serves: ['b.example'] });
  await always(t, () => over('/', 'b.example'), 'two', 'then');
  await always(t, () => over('/', 'a.example'), '421', 'no more');
  await second.close(0);
  await feed(t, web('three'), { name: 'd-web' });
  await always(t, () => over('/', 'a.example'), 'three', 'every name');
});

for (const [mode, status] of [
  ['redirect', 307],
  ['created', 201],
] as const) {
  test.serial(`${mode}: the address is that of one who serves the name`, async (t) => {
    await cluster.setMode(mode);
    t.teardown(() => cluster.setMode('handoff'));
    await feed(t, web('web'), { name: 'd-web', serves: ['web.example'], direct: 'web.example:81' });
    await feed(t, web('img'), { name: 'd-img', serves: ['*.img.example'], direct: 'img.example:82' });
    await feed(t, secure('shop'), { name: 'd-shop', serves: ['shop.example'] });
    for (const [host, location] of [
      ['web.example', 'http://web.example:81/x'],
      ['1.img.example', 'http://img.example:82/x'],
    ] as const) {
      const reply = await send(cluster.listen, `GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      t.is(reply.status, status);
      t.is(reply.headers.location, location);
    }
    t.is(await over('/', 'shop.example'), '503', 'it has no address');
    t.is(await over('/', 'elsewhere'), '421');
    t.is(await overTls('shop.example'), 'shop');
    t.is(await overTls('elsewhere.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  });
}

const python = fileURLToPath(new URL('../delivery/python_delivery.py', import.meta.url));

needing('python3', test.serial)(
  'a delivery of version 1 serves every name, beside one that says some',
  async (t) => {
    const service = await startService(['python3', python, cluster.socket, 'snake']);
    t.teardown(() => service.stop());
    await feed(t, web('web'), { name: 'd-web', serves: ['web.example'] });
    t.is((await cluster.status()).deliveries.find(({ name }) => name === 'snake')!.serves, null);
    await always(t, () => over('/', 'web.example'), 'web', 'named');
    const reply = await send(
      cluster.listen,
      'GET /whoami HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n',
    );
    t.is((JSON.parse(reply.rest.toString()) as { delivery: string }).delivery, 'snake');
  },
);

test.serial(
  'what a delivery says of names is read by its version, and one that nobody knows is refused',
  async (t) => {
    const single = await startCluster(t, ['--workers', '1'], []);
    const early = await startRogue(single.socket, { name: 'early', version: 1, serves: ['a.example'] });
    const late = await startRogue(single.socket, { name: 'late', version: 2, serves: ['a.example'] });
    t.teardown(async () => {
      early.die();
      late.die();
    });
    const { deliveries } = await single.status();
    t.deepEqual(
      deliveries.map(({ serves }) => serves),
      [null, ['a.example']],
    );
    await t.throwsAsync(startRogue(single.socket, { name: 'never', version: 3 }), {
      message: /VERSION_MISMATCH/,
    });
    await t.throwsAsync(startRogue(single.socket, { name: 'bad', version: 2, serves: ['A'] }), {
      message: /PROTOCOL/,
    });
  },
);

test('names that are none are refused where they are said', (t) => {
  const server = web('x');
  for (const serves of [[], [''], ['a b'], ['a.*'], ['http://a']])
    t.throws(() => receiveConnections(server, { head: cluster.socket, log, serves }), { code: 'BAD_OPTION' });
});

test.serial('baton delivery --serves says them, and the status shows them', async (t) => {
  const single = await startCluster(t, ['--workers', '1'], []);
  const delivery = await single.addDelivery('d1', '--serves', 'Shop.example, *.img.example.');
  t.truthy(delivery);
  t.deepEqual((await single.status()).deliveries[0]!.serves, ['shop.example', '*.img.example']);
});
