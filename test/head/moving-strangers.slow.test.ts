/** Clients and operators of every kind, and deliveries that stand still or die, while one of them gives back what it has. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { drainByMoving, reload, upgradeHead } from '../../infra/admin-client.ts';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { askSteadily } from '../support/steady-clients.ts';
import { until } from '../support/until.ts';
import { startToUpgrade } from '../support/upgrades.ts';

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '2'], ['d1', 'd2']);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

/** So many clients that d1 has; whoever is drained for that is not any more. */
async function onD1(count: number): Promise<Kept[]> {
  await cluster.drain('d2', true);
  const clients = await keepAliveMany(cluster.listen, count);
  for (const name of await Promise.all(clients.map((client) => client.who())))
    if (name !== 'd1') throw new Error(`it is at ${name}`);
  await cluster.drain('d2', false);
  return clients;
}
const untilEmpty = (name: string) =>
  cluster.untilStatus(`${name} has none`, ({ deliveries }) =>
    deliveries.some((each) => each.name === name && each.inUse === 0),
  );
const text = (client: Kept, holds: (text: string) => boolean, what: string) =>
  until(what, () => client.unasked, holds, 20_000);

test.serial(
  'event streams, slow uploads and pipelined requests end where they have begun, however often the operator changes his mind',
  async (t) => {
    const [stream, upload, pipeline, half] = (await onD1(4)) as [Kept, Kept, Kept, Kept];
    stream.socket.write('GET /events/40/50 HTTP/1.1\r\nHost: a\r\n\r\n');
    upload.socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    pipeline.socket.write(
      ['/delay/300', '/whoami', '/bytes/26']
        .map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
        .join(''),
    );
    half.socket.write('GET /whoami HT');
    await text(stream, (all) => all.includes('data'), 'the first event');
    const { admin } = cluster;
    t.deepEqual(await Promise.all([drainByMoving(admin, 'd1'), drainByMoving(admin, 'd1')]), [true, true]);
    for (let n = 0; n < 5; n++) {
      upload.socket.write('5\r\nabcde\r\n');
      await delay(20);
    }
    await cluster.drain('d1', false);
    upload.socket.write('5\r\nabcde\r\n');
    t.true(await drainByMoving(admin, 'd1'));
    await cluster.drain('d1', true);
    t.true(await drainByMoving(admin, 'd1'));
    upload.socket.write('0\r\n\r\n');
    half.socket.write('TP/1.1\r\nHost: a\r\n\r\n');
    t.regex(await text(pipeline, (all) => /waited[\s\S]*"d1"[\s\S]*xyz$/.test(all), 'three answers'), /"d1"/);
    t.regex(await text(half, (all) => all.includes('"delivery"'), 'an answer'), /"delivery":"d1"/);
    const uploaded = await text(upload, (all) => all.split('abcde').length > 6, 'all of the body');
    t.is(uploaded.split('abcde').length, 7);
    const events = await text(stream, (all) => all.endsWith('0\r\n\r\n'), 'the last event');
    t.is(events.split('data:').length, 41);
    await untilEmpty('d1');
    for (const client of [stream, upload, pipeline, half]) {
      const before = client.unasked.length;
      client.socket.write('GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n');
      const all = await text(client, (now) => now.slice(before).includes('"delivery"'), 'the next answer');
      t.regex(all.slice(before), /"delivery":"d2"/);
      t.is(client.ended, undefined);
      client.socket.destroy();
    }
    await cluster.drain('d1', false);
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial('clients that end, reset or ask in the middle of a move cost nobody else anything', async (t) => {
  const clients = await onD1(160);
  const [rude, others] = [clients.slice(0, 80), clients.slice(80)];
  const moved = drainByMoving(cluster.admin, 'd1');
  for (const [i, { socket }] of rude.entries()) {
    if (i % 4 > 1) socket.write(i % 8 > 3 ? 'GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n' : 'GET /who');
    if (i % 3 === 0) socket.resetAndDestroy();
    else if (i % 3 === 1) socket.destroy();
    else socket.end();
    if (i % 10 === 0) await delay(1);
  }
  const answers = await Promise.all(others.map((client) => client.who()));
  t.true(await moved);
  await untilEmpty('d1');
  t.false((await Promise.all(others.map((client) => client.who()))).includes('d1'));
  t.is(answers.length, 80);
  for (const { unasked, ended, socket } of others) {
    t.is(unasked + (ended ?? ''), '');
    socket.destroy();
  }
  for (const { socket } of rude) if (!socket.destroyed) socket.destroy();
  await cluster.drain('d1', false);
  await cluster.untilStatus('all have gone', ({ open, deliveries }) => {
    return open === 0 && deliveries.every(({ inUse }) => inUse === 0);
  });
  await assertAllAccountedFor(t, cluster);
});

test.serial(
  'a delivery that stands still while it gives back holds up what it still has, and nothing else',
  async (t) => {
    const clients = await onD1(200);
    const d1 = cluster.deliveries.find(({ name }) => name === 'd1')!;
    const { givenBack } = await cluster.status();
    await drainByMoving(cluster.admin, 'd1');
    await d1.freeze();
    const asked = clients.map((client) => client.who());
    const stood = (await cluster.status()).givenBack - givenBack;
    await delay(300);
    await d1.resume();
    const names = await Promise.all(asked);
    t.log(`${stood} had moved when it stood still`);
    t.true(names.filter((name) => name === 'd2').length >= stood);
    await untilEmpty('d1');
    t.deepEqual([...new Set(await Promise.all(clients.map((client) => client.who())))], ['d2']);
    for (const { unasked, ended, socket } of clients) {
      t.is(unasked + (ended ?? ''), '');
      socket.destroy();
    }
    await cluster.drain('d1', false);
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'one that is killed while it gives back takes with it what had not moved, and no other',
  async (t) => {
    const victim = await cluster.addDelivery('d3');
    for (const name of ['d1', 'd2']) await cluster.drain(name, true);
    const clients = await keepAliveMany(cluster.listen, 300);
    for (const name of await Promise.all(clients.map((client) => client.who()))) t.is(name, 'd3');
    for (const name of ['d1', 'd2']) await cluster.drain(name, false);
    const before = (await cluster.status()).givenBack;
    await drainByMoving(cluster.admin, 'd3');
    const asking = clients.map((client) => client.who().catch(() => 'lost'));
    await victim.kill();
    const found = await Promise.all(asking);
    const { givenBack } = await cluster.untilStatus(
      'it has gone, and what it gave has been dealt with',
      (status) => {
        return (
          status.open === 0 && status.deliveries.some(({ name, state }) => name === 'd3' && state === 'down')
        );
      },
    );
    const lost = found.filter((name) => name === 'lost').length;
    t.log(`${givenBack - before} moved, ${lost} lost`);
    // What it has answered itself before it gave it is neither.
    for (const [i, client] of clients.entries())
      if (found[i] !== 'lost' && !client.ended) t.not(await client.who().catch(() => 'lost'), 'd3');
    t.true(300 - lost >= givenBack - before - found.filter((name) => name === 'd3').length);
    for (const { unasked, socket } of clients) {
      t.is(unasked, '');
      socket.destroy();
    }
    await cluster.untilStatus('nobody is left', ({ deliveries }) =>
      deliveries.every(({ inUse }) => inUse === 0),
    );
  },
);

test.serial(
  'the last delivery that is drained by moving goes on with what it has, until another comes',
  async (t) => {
    await cluster.drain('d2', true);
    const steady = await askSteadily(cluster.listen, { count: 40, perSecond: 400, neverIdle: 2 });
    await cluster.untilStatus('all are there', ({ deliveries }) =>
      deliveries.some(({ name, inUse }) => name === 'd1' && inUse === 40),
    );
    // One that is never between two requests, and is told to go where others could have it.
    const pipelining = await keepAlive(cluster.listen);
    let sent = 0;
    const ahead = setInterval(() => {
      const answered = pipelining.unasked.split('waited').length - 1;
      for (; sent < answered + 3; sent++)
        pipelining.socket.write('GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n');
    }, 5);
    t.teardown(() => clearInterval(ahead));
    await text(pipelining, (all) => all.includes('waited'), 'it is answered');
    t.true(await drainByMoving(cluster.admin, 'd1'));
    // For longer than clients that are never idle may stay where others could have them.
    const soFar = steady.answered;
    await delay(2500);
    t.true(steady.answered > soFar + 40);
    t.false(/connection: close/i.test(pipelining.unasked));
    clearInterval(ahead);
    await text(pipelining, (all) => all.split('waited').length > sent, 'all are answered');
    pipelining.socket.destroy();
    const status = await cluster.status();
    const { inUse } = status.deliveries.find(({ name }) => name === 'd1')!;
    t.true(inUse >= 40, JSON.stringify([steady.failed, status.deliveries]));
    await cluster.drain('d2', false);
    await untilEmpty('d1');
    await steady.stop();
    t.deepEqual(steady.failed, []);
    steady.close();
    await cluster.drain('d1', false);
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial(
  'a head that reads its settings again, and one that is replaced, while a delivery gives back fail nobody',
  async (t) => {
    t.timeout(60_000);
    const site = await startToUpgrade(t, ['--workers', '2'], ['d1', 'd2']);
    await site.drain('d2', true);
    const idle = await keepAliveMany(site.listen, 200);
    for (const name of await Promise.all(idle.map((client) => client.who()))) t.is(name, 'd1');
    const steady = await askSteadily(site.listen, { count: 40, perSecond: 400, neverIdle: 4 });
    await site.drain('d2', false);
    const moved = drainByMoving(site.admin, 'd1');
    const [{ pid }] = await Promise.all([upgradeHead(site.admin), moved]);
    await site.untilStatus('both are back', ({ pid: now, deliveries }) => {
      return now === pid && deliveries.filter(({ state }) => state !== 'down').length === 2;
    });
    t.false((await Promise.all(idle.map((client) => client.who()))).includes('lost'));
    // The successor knows that d1 is drained; that it is to move what it has is said again.
    t.true(await drainByMoving(site.admin, 'd1'));
    await reload(site.admin).catch(() => {});
    await site.untilStatus('d1 has none', ({ deliveries }) =>
      deliveries.some(({ name, inUse }) => name === 'd1' && inUse === 0),
    );
    t.deepEqual([...new Set(await Promise.all(idle.map((client) => client.who())))], ['d2']);
    await steady.stop();
    t.deepEqual(steady.failed, []);
    for (const { unasked, ended } of idle) t.is(unasked + (ended ?? ''), '');
    steady.close();
    for (const { socket } of idle) socket.destroy();
    await Promise.all(idle.map(({ socket }) => socket.closed || once(socket, 'close')));
  },
);
