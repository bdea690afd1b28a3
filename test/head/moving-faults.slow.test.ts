/** For each step of giving back and moving on: what if the delivery dies right here, floods, or talks nonsense? */
import { openSync } from 'node:fs';
import test from 'ava';
import { connectionInfo, receiveConnections } from '../../delivery/index.ts';
import { labApp } from '../../delivery/lab-app.ts';
import { drainByMoving } from '../../infra/admin-client.ts';
import { createServer } from '../../shared/node-http.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { assertAllAccountedFor, ONE_WORKER } from '../support/accounted.ts';
import { countFds, startCluster } from '../support/cluster.ts';
import { keepAlive } from '../support/keep-alive.ts';
import { log } from '../support/one-head.ts';
import { startRogue } from '../support/rogue.ts';
import { given, isServedElsewhere, taken } from '../support/taken.ts';
import { until } from '../support/until.ts';

test.serial('what is given back goes to another, and its unread request is answered there', async (t) => {
  const of = await taken(t);
  of.rogue.give(given(7), [of.fd]);
  t.deepEqual(await of.rogue.word(), { isMoved: true, number: 7 });
  closeFd(of.fd);
  await isServedElsewhere(t, of);
});

test.serial('a delivery that dies when it has given one back costs nothing: another serves it', async (t) => {
  const of = await taken(t);
  process.kill(of.cluster.head.pid, 'SIGSTOP');
  of.rogue.give(given(1), [of.fd]);
  closeFd(of.fd);
  of.rogue.die();
  process.kill(of.cluster.head.pid, 'SIGCONT');
  await isServedElsewhere(t, of);
});

test.serial(
  'one that is dropped hears what becomes of what it had given in time, and can give no more',
  async (t) => {
    const of = await taken(t, ['--stall-timeout', '500ms']);
    process.kill(of.cluster.head.pid, 'SIGSTOP');
    of.rogue.give(given(1), [of.fd]);
    of.rogue.laneSend(Buffer.from('nonsense'));
    process.kill(of.cluster.head.pid, 'SIGCONT');
    t.deepEqual(await of.rogue.word(), { isMoved: true, number: 1 });
    t.is(await of.rogue.word(), undefined);
    t.true(of.rogue.give(given(2), [of.fd]) < 0);
    closeFd(of.fd);
    await isServedElsewhere(t, of);
  },
);

test.serial('where nobody else can take it, it stays, and whoever has it goes on', async (t) => {
  const of = await taken(t);
  await of.cluster.drain('d1', true);
  for (const number of [1, 2, 3]) {
    of.rogue.give(given(number), [of.fd]);
    t.deepEqual(await of.rogue.word(), { isMoved: false, number });
  }
  await of.cluster.drain('d1', false);
  of.rogue.give(given(4), [of.fd]);
  t.deepEqual(await of.rogue.word(), { isMoved: true, number: 4 });
  closeFd(of.fd);
  await isServedElsewhere(t, of);
});

test.serial('with a state it goes only where that is understood', async (t) => {
  const of = await taken(t);
  of.rogue.give(given(1, Buffer.from('c0', 'hex')), [of.fd]);
  t.deepEqual(await of.rogue.word(), { isMoved: true, number: 1 }, "the lab's application takes WebSockets");
  closeFd(of.fd);
  // It is none: the server lets go of it.
  await until(
    'its end',
    () => of.client.ended,
    (how) => how !== undefined,
  );
  await assertAllAccountedFor(t, of.cluster);
});

test.serial('a state that is no MessagePack is none to the application that gets it', async (t) => {
  // A text of 4 GB that is not there, and one more byte than a value has.
  for (const bytes of ['dbffffffff', 'c0c0']) {
    const of = await taken(t);
    const came = Promise.withResolvers<unknown>();
    const receiver = receiveConnections(createServer(labApp('d2')), {
      head: of.cluster.socket,
      name: 'd2',
      direct: null,
      log,
      onMove: () => 'not-now',
      onMoved(socket) {
        try {
          came.resolve(connectionInfo(socket));
        } catch (error) {
          came.reject(error);
        }
        socket.destroy();
      },
    });
    await receiver.ready;
    await of.cluster.drain('d1', true);
    of.rogue.give(given(1, Buffer.from(bytes, 'hex')), [of.fd]);
    t.deepEqual(await of.rogue.word(), { isMoved: true, number: 1 });
    closeFd(of.fd);
    t.like(await came.promise, { delivery: 'd2', state: undefined }, bytes);
    await receiver.close();
  }
});

test.serial('what is no connection, or whose client has gone, is declined', async (t) => {
  const of = await taken(t);
  const file = openSync('/dev/null', 'r');
  of.rogue.give(given(1), [file]);
  closeFd(file);
  t.deepEqual(await of.rogue.word(), { isMoved: false, number: 1 });
  of.client.socket.resetAndDestroy();
  await until(
    'its end',
    () => of.client.ended,
    (how) => how !== undefined,
  );
  of.rogue.give(given(2), [of.fd]);
  t.deepEqual(await of.rogue.word(), { isMoved: false, number: 2 });
  closeFd(of.fd);
  await assertAllAccountedFor(t, of.cluster);
});

test.serial('nonsense on a way back ends the registration, and nothing else', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, ['d1']);
  const { pid } = await cluster.status();
  const fds = await countFds(pid);
  const state = Buffer.alloc(16);
  const kinds: [what: string, bytes: Uint8Array, fds: number][] = [
    ['text', Buffer.from('nonsense'), 1],
    ['a byte', Buffer.from([0x91]), 1],
    ['no number', Buffer.from([0x90]), 1],
    ['text for a number', Buffer.from([0x91, 0xa1, 0x61]), 1],
    ['three elements', Buffer.from([0x93, 1, 2, 3]), 1],
    ['a state that breaks off', given(1, state).subarray(0, 10), 1],
    ['more behind it', Buffer.concat([given(1), Buffer.from([0])]), 1],
    ['a state of 40 kB', Buffer.concat([Buffer.from([0x92, 1, 0xc5, 0x9c, 0x40]), Buffer.alloc(40_000)]), 1],
    ['no connection', given(1), 0],
    ['two connections', given(1), 2],
  ];
  for (const [what, bytes, count] of kinds) {
    const of = await taken(t, [], cluster);
    of.rogue.give(bytes, [of.fd, of.fd].slice(0, count));
    t.like(await of.rogue.control(), { type: 'dismissed' }, what);
    t.is(await of.rogue.word(), undefined, what);
    // It is its own still.
    t.is(of.client.ended, undefined, what);
    closeFd(of.fd);
    of.rogue.die();
    await until(
      'its end',
      () => of.client.ended,
      (how) => how !== undefined,
    );
  }
  await assertAllAccountedFor(t, cluster);
  await until(
    'nothing is left open',
    () => countFds(pid),
    (now) => now <= fds + 2,
  );
});

test.serial('one that gives without end and hears nothing is dropped', async (t) => {
  const of = await taken(t);
  await of.cluster.drain('d1', true);
  let number = 0;
  await until(
    'it is dropped',
    async () => {
      for (let i = 0; i < 200; i++) if (of.rogue.give(given(number), [of.fd]) >= 0) number++;
      return await of.cluster.status();
    },
    ({ deliveries }) => deliveries.some(({ name, state }) => name === 'rogue' && state === 'down'),
  );
  t.true(number > 1024, `${number}`);
  await of.cluster.drain('d1', false);
  closeFd(of.fd);
  await assertAllAccountedFor(t, of.cluster);
});

test.serial(
  'whoever was to have it next dies before it took it: another one, the one that gave it too',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, ['d1']);
    const client = await keepAlive(cluster.listen);
    t.is(await client.who(), 'd1');
    const rogue = await startRogue(cluster.socket);
    await drainByMoving(cluster.admin, 'd1');
    const offer = await rogue.offered();
    await cluster.drain('d1', false);
    offer.fds.forEach(closeFd);
    rogue.die();
    t.is(await client.who(), 'd1');
    t.is((await cluster.status()).givenBack, 1);
    client.socket.destroy();
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial('and where nobody is left it waits, as one whose client has just come', async (t) => {
  const cluster = await startCluster(t, ONE_WORKER, ['d1']);
  const client = await keepAlive(cluster.listen);
  t.is(await client.who(), 'd1');
  const rogue = await startRogue(cluster.socket);
  await drainByMoving(cluster.admin, 'd1');
  const offer = await rogue.offered();
  offer.fds.forEach(closeFd);
  rogue.die();
  await cluster.untilStatus('the rogue has gone', ({ deliveries }) =>
    deliveries.some(({ name, state }) => name === 'rogue' && state === 'down'),
  );
  t.is(client.ended, undefined);
  t.is((await cluster.status()).open, 1);
  await cluster.drain('d1', false);
  t.is(await client.who(), 'd1');
  client.socket.destroy();
  await assertAllAccountedFor(t, cluster);
});
