/** Connections that deliveries give back, and that others go on with. */
import { once } from 'node:events';
import test from 'ava';
import { WebSocket } from 'ws';
import { drainByMoving } from '../../infra/admin-client.ts';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { until } from '../support/until.ts';

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster(
    { teardown: (step) => undo.push(step) },
    ['--workers', '2'],
    ['d1', 'd2', 'd3'],
  );
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

const inUse = async (name: string): Promise<number> =>
  (await cluster.status()).deliveries.find((one) => one.name === name)!.inUse;

test.serial(
  'a drained delivery gives back what is between two requests, and others answer the next one',
  async (t) => {
    const clients = await keepAliveMany(cluster.listen, 30);
    const before = await Promise.all(clients.map((client) => client.who()));
    t.true(before.includes('d1'));
    t.true(await drainByMoving(cluster.admin, 'd1'));
    await until(
      'it has none',
      () => inUse('d1'),
      (count) => count === 0,
    );
    const after = await Promise.all(clients.map((client) => client.who()));
    t.false(after.includes('d1'));
    for (const [i, client] of clients.entries()) {
      if (before[i] !== 'd1') t.is(after[i], before[i], 'the others stay');
      t.is(client.unasked, '');
      t.is(client.ended, undefined);
    }
    const { givenBack } = await cluster.status();
    t.is(givenBack, before.filter((name) => name === 'd1').length);
    for (const { socket } of clients) socket.destroy();
    await cluster.drain('d1', false);
    await assertAllAccountedFor(t, cluster);
  },
);

/** One that d1 has. */
async function onD1(): Promise<Kept> {
  for (;;) {
    const client = await keepAlive(cluster.listen);
    if ((await client.who()) === 'd1') return client;
    client.socket.destroy();
  }
}

const untilEmpty = (name: string): Promise<unknown> =>
  until(
    `${name} has none`,
    () => inUse(name),
    (count) => count === 0,
  );

test.serial(
  'a request of which a part has come is answered where it has begun, and so are those behind it',
  async (t) => {
    const client = await onD1();
    const other = await onD1();
    client.socket.write('GET /who');
    other.socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab');
    await until(
      'it has come',
      () => other.unasked,
      (text) => text.includes('200 OK'),
    );
    await drainByMoving(cluster.admin, 'd1');
    const status = await cluster.untilStatus('two are left', ({ deliveries }) =>
      deliveries.some(({ name, left }) => name === 'd1' && left?.busy === 2),
    );
    t.is(status.deliveries.find(({ name }) => name === 'd1')!.left!.stays, 0);
    client.socket.write('ami HTTP/1.1\r\nHost: a\r\n\r\nGET /whoami HTTP/1.1\r\nHost: a\r\n\r\n');
    const text = await until(
      'two answers',
      () => client.unasked,
      (all) => all.split('"delivery"').length === 3,
    );
    t.is(text.split('"delivery":"d1"').length, 3);
    other.socket.write('cde');
    await until(
      'the rest',
      () => other.unasked,
      (all) => all.endsWith('abcde'),
    );
    await untilEmpty('d1');
    t.is(client.ended ?? other.ended, undefined);
    client.socket.destroy();
    other.socket.destroy();
    await cluster.drain('d1', false);
  },
);

test.serial('what is in the middle of an answer moves when that has ended', async (t) => {
  const client = await onD1();
  const body = client.ask('/bytes/30000000');
  client.socket.pause();
  await drainByMoving(cluster.admin, 'd1');
  await cluster.untilStatus('it is busy', ({ deliveries }) =>
    deliveries.some(({ name, left }) => name === 'd1' && left?.busy === 1),
  );
  client.socket.resume();
  t.is((await body).body.length, 30_000_000);
  await untilEmpty('d1');
  t.not(await client.who(), 'd1');
  client.socket.destroy();
  await cluster.drain('d1', false);
});

test.serial('clients that never rest lose nothing while all deliveries are drained in turn', async (t) => {
  t.timeout(60_000);
  const clients = await keepAliveMany(cluster.listen, 24);
  const seen = new Set<string>();
  let asked = 0;
  let goesOn = true;
  const asking = clients.map(async (client, i) => {
    for (let n = 0; goesOn; n++) {
      if (n % 2 === i % 2) seen.add(`${i} ${await client.who()}`);
      else {
        const body = `${i}-${n}-`.repeat(1 + (n % 50) * 40);
        t.is((await client.ask('/echo', body)).body, body);
      }
      asked++;
    }
  });
  for (const name of ['d1', 'd2', 'd3', 'd1', 'd2', 'd3']) {
    await drainByMoving(cluster.admin, name);
    await untilEmpty(name);
    await cluster.drain(name, false);
  }
  goesOn = false;
  await Promise.all(asking);
  t.true(asked > 500, `${asked}`);
  t.true(seen.size >= 2 * clients.length, 'each has been served by several');
  for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
  for (const { socket } of clients) socket.destroy();
  await assertAllAccountedFor(t, cluster);
});

const openWebSocket = async (compressed: boolean): Promise<WebSocket> => {
  const socket = new WebSocket(`ws://${cluster.listen}/`, { perMessageDeflate: compressed });
  await once(socket, 'open');
  return socket;
};

async function echoed(socket: WebSocket, text: string): Promise<string> {
  const answer = once(socket, 'message');
  socket.send(text);
  return String((await answer)[0]);
}

test.serial('WebSockets move between two messages, where the application knows how', async (t) => {
  const sockets = await Promise.all(Array.from({ length: 12 }, () => openWebSocket(false)));
  for (const [i, socket] of sockets.entries()) t.is(await echoed(socket, `${i}`), `${i}`);
  let closed = 0;
  for (const socket of sockets) socket.on('close', () => closed++);
  for (const name of ['d1', 'd2', 'd3', 'd1']) {
    t.true(await drainByMoving(cluster.admin, name));
    await untilEmpty(name);
    await Promise.all(
      sockets.map(async (socket, i) => t.is(await echoed(socket, `${i}`.repeat(1000)), `${i}`.repeat(1000))),
    );
    await cluster.drain(name, false);
  }
  t.is(closed, 0);
  const compressed = await openWebSocket(true);
  t.is(await echoed(compressed, 'x'), 'x');
  for (const socket of [...sockets, compressed]) socket.terminate();
  await assertAllAccountedFor(t, cluster);
});

test.serial('a delivery that stops hands on what it has, and tells what cannot move', async (t) => {
  for (const name of ['d1', 'd2', 'd3']) await cluster.drain(name, true);
  const leaving = await cluster.addDelivery('d4', '--move', 'on');
  const clients = await keepAliveMany(cluster.listen, 10);
  for (const client of clients) t.is(await client.who(), 'd4');
  const socket = await openWebSocket(false);
  t.is(await echoed(socket, 'a'), 'a');
  const compressed = await openWebSocket(true);
  t.is(await echoed(compressed, 'b'), 'b');
  const goodbye = once(compressed, 'close');
  for (const name of ['d1', 'd2', 'd3']) await cluster.drain(name, false);
  await leaving.stop();
  t.is((await goodbye)[0], 1001);
  for (const client of clients) t.not(await client.who(), 'd4');
  t.is(await echoed(socket, 'c'), 'c');
  for (const client of clients) client.socket.destroy();
  socket.terminate();
  await assertAllAccountedFor(t, cluster);
});

test.serial('one that has nobody to hand them on to closes them in order', async (t) => {
  for (const name of ['d1', 'd2', 'd3']) await cluster.drain(name, true);
  const leaving = await cluster.addDelivery('d5', '--move', 'on');
  const clients = await keepAliveMany(cluster.listen, 3);
  for (const client of clients) t.is(await client.who(), 'd5');
  const busy = clients[0]!.ask('/delay/300');
  const stopped = leaving.stop();
  t.regex((await busy).headers, /connection: close/i);
  await stopped;
  for (const client of clients) t.is(client.ended, 'FIN');
  for (const name of ['d1', 'd2', 'd3']) await cluster.drain(name, false);
  await assertAllAccountedFor(t, cluster);
});

test.serial('what an earlier head had handed over moves as well', async (t) => {
  const client = await onD1();
  await cluster.head.kill();
  await cluster.restartHead();
  await cluster.untilStatus(
    'all are back',
    ({ deliveries }) => deliveries.filter(({ state }) => state === 'up').length >= 3,
  );
  // It is between two requests for less than the 5 s that a server keeps it.
  t.is(await client.who(), 'd1');
  t.true(await drainByMoving(cluster.admin, 'd1'));
  await untilEmpty('d1');
  t.not(await client.who(), 'd1');
  t.is((await cluster.status()).givenBack, 1);
  client.socket.destroy();
  await cluster.drain('d1', false);
});
