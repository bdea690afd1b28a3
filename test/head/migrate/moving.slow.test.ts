/** Connections that deliveries give back, of this host and of others, and that others of either kind go on with. */
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'ava';
import { WebSocket } from 'ws';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { startService } from '../../../infra/lab/service.ts';
import { closeFd } from '../../../shared/sys/sockets.ts';
import { readInfo, tcpInfo } from '../../../shared/sys/tcp-info.ts';
import { ENDED, TAKEN } from '../../../shared/wire/lane.ts';
import { writeGiven } from '../../../shared/wire/way-back.ts';
import { keepAlive, keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { startRogue } from '../../support/rogue.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const all = ['d1', 'd2', 'l1', 'l2'];

let lab: LabForTests;
labTest('a lab of two delivery hosts and two deliveries at the head', async (t) => {
  lab = await startTestLab({ deliveries: 2, local: 2, headArguments: ['--workers', '1'] });
  t.is(lab.deliveries.length, 4);
});

const move = (name: string) => drainByMoving(join(lab.network.directory, 'head.admin.sock'), name);

/** Nobody but these is given anything. */
async function only(...names: string[]): Promise<void> {
  for (const name of all) await lab.head.drain(name, !names.includes(name));
}

const untilEmpty = (name: string): Promise<unknown> =>
  lab.untilStatus(`${name} has none`, ({ deliveries }) =>
    deliveries.some((one) => one.name === name && one.inUse === 0),
  );

async function openWebSocket(): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${lab.head.listen}/`, { perMessageDeflate: false });
  await once(socket, 'open');
  return socket;
}

async function echoed(socket: WebSocket, text: string): Promise<string> {
  const answer = once(socket, 'message');
  socket.send(text);
  return String((await answer)[0]);
}

for (const [from, to] of [
  ['l1', 'd1'],
  ['l1', 'l2'],
  ['d1', 'l1'],
  ['d1', 'd2'],
] as const) {
  labTest(`what ${from} gives back ${to} goes on with, WebSockets too`, async (t) => {
    await only(from);
    const clients = await keepAliveMany(lab.head.listen, 20);
    for (const client of clients) t.is(await client.who(), from);
    const socket = await openWebSocket();
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    t.is(await echoed(socket, 'a'), 'a');
    const before = await lab.head.status();
    await only(to);
    t.true(await move(from));
    await untilEmpty(from);
    for (const client of clients) t.is(await client.who(), to);
    t.is(await echoed(socket, 'b'.repeat(3000)), 'b'.repeat(3000));
    const body = 'x'.repeat(100_000);
    t.is((await clients[0]!.ask('/echo', body)).body, body);
    for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
    t.false(closed);
    const after = await lab.head.status();
    t.is(after.givenBack - before.givenBack, clients.length + 1);
    for (const client of clients) client.socket.destroy();
    socket.terminate();
    await untilNothingIsLeft(lab);
  });
}

labTest(
  'one that has given a connection to another host and keeps its copy open disturbs nobody',
  async (t) => {
    await only();
    const rogue = await startRogue(join(lab.network.directory, 'head.sock'), { moves: 'plain' });
    t.teardown(async () => rogue.die());
    const client = await keepAlive(lab.head.listen);
    t.teardown(async () => void client.socket.destroy());
    const asked = client.who();
    const offer = await rogue.offered();
    const [fd] = offer.fds;
    rogue.say(TAKEN, offer.first, 1);
    await lab.untilStatus('it is taken', ({ open }) => open === 0);
    await only('d1');
    const bytes = Buffer.alloc(64);
    rogue.give(bytes.subarray(0, writeGiven(bytes, 7)), [fd!]);
    t.deepEqual(await rogue.word(), { isMoved: true, number: 7 });
    t.is(await asked, 'd1', 'with the request that nobody had read');
    t.true(readInfo(fd!) >= 0);
    t.is(tcpInfo.state, 'closed', 'its copy stands for nothing, though it is open');
    t.is(await client.who(), 'd1');
    closeFd(fd!);
    t.is(await client.who(), 'd1', 'and no packet tells of its end');
    t.is(client.unasked + (client.ended ?? ''), '');
    client.socket.destroy();
    rogue.laneSend(Buffer.of(0x92, ENDED, 1));
    await untilNothingIsLeft(lab);
  },
);

labTest(
  'clients that never rest lose nothing while deliveries of both kinds are drained in turn',
  async (t) => {
    t.timeout(90_000);
    await only(...all);
    const clients = await keepAliveMany(lab.head.listen, 24);
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
    for (const name of [...all, ...all]) {
      t.true(await move(name));
      await untilEmpty(name);
      await lab.head.drain(name, false);
    }
    goesOn = false;
    await Promise.all(asking);
    t.true(asked > 500, `${asked}`);
    t.true(seen.size >= 2 * clients.length, 'each has been served by several');
    for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
    for (const { socket } of clients) socket.destroy();
    await untilNothingIsLeft(lab);
  },
);

labTest(
  'an answer that its client has not read moves with the connection, and what is too much stays',
  async (t) => {
    await only('d1');
    const client = await keepAlive(lab.head.listen);
    t.is(await client.who(), 'd1');
    const body = client.ask('/bytes/700000');
    client.socket.pause();
    const greedy = await keepAlive(lab.head.listen);
    t.is(await greedy.who(), 'd1');
    const much = greedy.ask('/bytes/30000000');
    greedy.socket.pause();
    await only('l1', 'd2');
    await move('d1');
    await lab.untilStatus('one is left, in the middle of its answer', ({ deliveries }) =>
      deliveries.some(({ name, left, inUse }) => name === 'd1' && inUse === 1 && left?.busy === 1),
    );
    client.socket.resume();
    t.is((await body).body.length, 700_000);
    t.not(await client.who(), 'd1');
    greedy.socket.resume();
    t.is((await much).body.length, 30_000_000);
    await untilEmpty('d1');
    t.not(await greedy.who(), 'd1');
    for (const { unasked, ended } of [client, greedy]) t.is(unasked + (ended ?? ''), '');
    client.socket.destroy();
    greedy.socket.destroy();
    await untilNothingIsLeft(lab);
  },
);

labTest('a request of which a part has come is answered where it has begun', async (t) => {
  await only('d1');
  const client = await keepAlive(lab.head.listen);
  t.is(await client.who(), 'd1');
  client.socket.write('GET /who');
  await only('l1', 'd2');
  await move('d1');
  await lab.untilStatus('it is left', ({ deliveries }) =>
    deliveries.some(({ name, left }) => name === 'd1' && left?.busy === 1),
  );
  client.socket.write('ami HTTP/1.1\r\nHost: a\r\n\r\nGET /whoami HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await until(
    'two answers',
    () => client.unasked,
    (found) => found.split('"delivery"').length === 3,
  );
  t.is(text.split('"delivery":"d1"').length, 3);
  await untilEmpty('d1');
  t.is(client.ended, undefined);
  client.socket.destroy();
  await untilNothingIsLeft(lab);
});

labTest('clients that send, end or reset while they move', async (t) => {
  await only('d1');
  const clients = await keepAliveMany(lab.head.listen, 90);
  for (const client of clients) t.is(await client.who(), 'd1');
  const before = (await lab.head.status()).givenBack;
  await only('l1', 'd2');
  await move('d1');
  await until(
    'some move',
    () => lab.head.status(),
    ({ givenBack }) => givenBack > before,
  );
  const asked: Promise<string>[] = [];
  for (const [i, client] of clients.entries()) {
    if (i % 3 === 0) client.socket.resetAndDestroy();
    else if (i % 3 === 1) client.socket.end();
    else asked.push(client.who());
  }
  await Promise.all(asked);
  await untilEmpty('d1');
  const others = clients.filter((_, i) => i % 3 === 2);
  t.false((await Promise.all(others.map((client) => client.who()))).includes('d1'));
  const ended = clients.filter((_, i) => i % 3 === 1);
  await until(
    'those that have ended are ended by whoever has them',
    () => ended.filter(({ ended: how }) => how === undefined).length,
    (left) => left === 0,
  );
  t.deepEqual([...new Set(ended.map(({ ended: how }) => how))], ['FIN']);
  for (const { socket } of clients) socket.destroy();
  await untilNothingIsLeft(lab);
});

labTest(
  'a delivery of another host that stops hands on what it has, and tells what cannot move',
  async (t) => {
    await only();
    lab.enter('d2');
    const { baton } = lab.network.host('d2');
    const leaving = await startService([
      ...[...baton, 'delivery', '--name', 'leaving', '--head', lab.control, '--move', 'on'],
      ...['--secret', join(lab.network.directory, 'secret'), '--vip', lab.head.listen.split(':')[0]!],
      ...['--direct', '10.77.0.12:8090'],
    ]);
    lab.enter('client');
    t.teardown(() => leaving.stop());
    const clients = await keepAliveMany(lab.head.listen, 10);
    for (const client of clients) t.is(await client.who(), 'leaving');
    const socket = await openWebSocket();
    t.is(await echoed(socket, 'a'), 'a');
    const compressed = new WebSocket(`ws://${lab.head.listen}/`, { perMessageDeflate: true });
    await once(compressed, 'open');
    t.is(await echoed(compressed, 'b'), 'b');
    const goodbye = once(compressed, 'close');
    await only('d1', 'l1');
    await leaving.stop();
    t.is((await goodbye)[0], 1001);
    for (const client of clients) t.not(await client.who(), 'leaving');
    t.is(await echoed(socket, 'c'), 'c');
    for (const client of clients) client.socket.destroy();
    socket.terminate();
    // Of what ended when it had left the head its flow stays, as of any that leaves (docs/migration.md, Limits).
    const { migration } = await lab.untilStatus(
      'nobody has any',
      ({ open, deliveries, migration: now }) =>
        open === 0 &&
        deliveries.every(({ inUse }) => inUse === 0) &&
        now!.flows.listed.every(({ delivery }) => delivery === 'leaving'),
    );
    t.true(migration!.flows.count <= 1, `${migration!.flows.count}`);
  },
);
