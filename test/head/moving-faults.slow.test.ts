/** For each step of giving back and moving on: what if somebody dies right here, freezes, floods, or talks nonsense? */
import { openSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { connectionInfo, receiveConnections } from '../../delivery/index.ts';
import { labApp } from '../../delivery/lab-app.ts';
import { drainByMoving } from '../../infra/admin-client.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { TAKEN } from '../../shared/wire/lane.ts';
import { writeGiven } from '../../shared/wire/way-back.ts';
import { assertAllAccountedFor, ONE_WORKER } from '../support/accounted.ts';
import { type Cluster, countFds, startCluster } from '../support/cluster.ts';
import { type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { needing } from '../support/needs.ts';
import { log } from '../support/one-head.ts';
import { type Rogue, startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

/** `[number]`, or with a state. */
function given(number: number, state?: Uint8Array): Buffer {
  const bytes = Buffer.alloc(64 + (state?.length ?? 0));
  return bytes.subarray(0, writeGiven(bytes, number, state));
}

interface Taken {
  readonly cluster: Cluster;
  readonly rogue: Rogue;
  readonly client: Kept;
  readonly fd: number;
}

/** A client whose connection a rogue has taken, beside a delivery that may take more. */
async function taken(t: ExecutionContext, args: readonly string[] = [], shared?: Cluster): Promise<Taken> {
  const cluster = shared ?? (await startCluster(t, [...ONE_WORKER, ...args], ['d1']));
  await cluster.drain('d1', true);
  const rogue = await startRogue(cluster.socket, { moves: 'plain' });
  t.teardown(async () => rogue.die());
  const client = await keepAlive(cluster.listen);
  t.teardown(async () => void client.socket.destroy());
  client.socket.write('GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n');
  const offer = await rogue.offered();
  rogue.say(TAKEN, offer.first, 1);
  await cluster.untilStatus('it is taken', ({ open }) => open === 0);
  await cluster.drain('d1', false);
  return { cluster, rogue, client, fd: offer.fds[0]! };
}

/** What is in its socket is a request that nobody has read: whoever gets the connection answers that. */
const answerOf = async ({ client }: Taken): Promise<string> => {
  const text = await until(
    'an answer',
    () => client.unasked,
    (all) => all.includes('\n}') || all.includes('}\n'),
  );
  return (JSON.parse(text.slice(text.indexOf('{'))) as { delivery: string }).delivery;
};

const isServedElsewhere = async (t: ExecutionContext, of: Taken): Promise<void> => {
  t.is(await answerOf(of), 'd1');
  of.client.socket.destroy();
  await assertAllAccountedFor(t, of.cluster);
};

test.serial('what is given back goes to another, and its unread request is answered there', async (t) => {
  const of = await taken(t);
  of.rogue.give(given(7), [of.fd]);
  t.deepEqual(await of.rogue.word(), { isMoved: true, number: 7 });
  closeFd(of.fd);
  await isServedElsewhere(t, of);
});

test.serial(
  'what is given to a head that stands still waits for it, and moves when it goes on',
  async (t) => {
    const of = await taken(t);
    process.kill(of.cluster.head.pid, 'SIGSTOP');
    of.rogue.give(given(3), [of.fd]);
    // Nothing is lost, and nobody is told anything: it is the delivery's until a word has come.
    const word = of.rogue.word();
    t.is(await Promise.race([word, delay(300, 'nothing')]), 'nothing');
    t.is(of.client.unasked, '');
    process.kill(of.cluster.head.pid, 'SIGCONT');
    t.deepEqual(await word, { isMoved: true, number: 3 });
    closeFd(of.fd);
    await isServedElsewhere(t, of);
  },
);

needing(['prlimit'], test.serial)(
  'a head that has no fd left for what is given says kept, and takes it later',
  async (t) => {
    const of = await taken(t);
    const { pid } = of.cluster.head;
    const limit = (most: number) => execa('prlimit', ['--pid', String(pid), `--nofile=${most}:`]);
    const before = await countFds(pid);
    // Below the next number, whatever else is free.
    await limit(1);
    of.rogue.give(given(4), [of.fd]);
    t.deepEqual(await of.rogue.word(), { isMoved: false, number: 4 });
    t.is(await countFds(pid), before, 'nothing of it is left there');
    await limit(4096);
    of.rogue.give(given(5), [of.fd]);
    t.deepEqual(await of.rogue.word(), { isMoved: true, number: 5 });
    closeFd(of.fd);
    await isServedElsewhere(t, of);
  },
);

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

test.serial(
  'a head that is killed with what was given back on its way: its delivery goes on with it',
  async (t) => {
    const cluster = await startCluster(t, ONE_WORKER, []);
    const server = createServer(labApp('mine'));
    const receiver = receiveConnections(server, { head: cluster.socket, name: 'mine', log, move: true });
    await receiver.ready;
    const clients = await keepAliveMany(cluster.listen, 5);
    for (const client of clients) t.is(await client.who(), 'mine');
    process.kill(cluster.head.pid, 'SIGSTOP');
    const closed = receiver.close(5000);
    // Given, and held: nobody answers.
    const asked = clients.map((client) => client.ask('/whoami'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.is(receiver.connections, 5);
    t.deepEqual(
      clients.map(({ unasked }) => unasked),
      clients.map(() => ''),
    );
    await cluster.head.kill();
    for (const answer of await Promise.all(asked)) t.is(answer.status, 200);
    await closed;
  },
);
