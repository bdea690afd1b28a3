/** For each step of asking whose the next request is: what if somebody dies right here, freezes, or talks nonsense? */
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { peerEndpoint } from '../../shared/sys/endpoints.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import {
  ANOTHER,
  ANYBODY,
  IS_CHOSEN,
  MOVES,
  readAnswer,
  STAYS,
  writeAsked,
} from '../../shared/wire/asked.ts';
import { TAKEN } from '../../shared/wire/lane.ts';
import { assertAllAccountedFor, ONE_WORKER } from '../support/accounted.ts';
import { type Cluster, countFds, startCluster } from '../support/cluster.ts';
import { type Kept, keepAliveMany } from '../support/keep-alive.ts';
import { type Rogue, startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

const app = fileURLToPath(new URL('../support/requests-app.ts', import.meta.url));
const BY_REQUEST = ['--policy', 'path-hash', '--distribute', 'requests'];

function asked(first: number, count: number, whose: number): Buffer {
  const bytes = Buffer.alloc(64);
  return bytes.subarray(0, writeAsked(bytes, first, count, whose));
}

interface Held {
  readonly cluster: Cluster;
  readonly rogue: Rogue;
  readonly clients: readonly Kept[];
  readonly fds: readonly number[];
}

/** Clients whose connections a rogue has taken, beside a delivery that may take more; their requests are unread. */
async function held(
  t: ExecutionContext,
  count: number,
  policy: string,
  args: readonly string[] = [],
): Promise<Held> {
  const cluster = await startCluster(t, [...ONE_WORKER, '--policy', policy, ...args], []);
  const rogue = await startRogue(cluster.socket, { moves: 'plain', looks: true });
  t.teardown(async () => rogue.die());
  const clients = await keepAliveMany(cluster.listen, count);
  const fds: number[] = [];
  for (const { socket } of clients) {
    t.teardown(async () => void socket.destroy());
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
  }
  while (fds.length < count) {
    const offer = await rogue.offered();
    rogue.say(TAKEN, offer.first, offer.fds.length);
    fds.push(...offer.fds);
  }
  // In the clients' order, in which they need not have come.
  const ports = clients.map(({ socket }) => socket.localPort);
  const indexOf = (fd: number) => {
    const peer = peerEndpoint(fd);
    return typeof peer === 'number' ? -1 : ports.indexOf(peer.port);
  };
  fds.sort((a, b) => indexOf(a) - indexOf(b));
  await cluster.addDelivery('d1', '--app', app);
  return { cluster, rogue, clients, fds };
}

const answerOf = async ({ rogue }: Held) => {
  const bytes = await rogue.said();
  return readAnswer(bytes, bytes.length);
};

const isServed = (client: Kept) =>
  until(
    'an answer',
    () => client.unasked,
    (all) => all.endsWith('"}'),
  );

test.serial('whoever is chosen gets it, and that may be the one that asks', async (t) => {
  const of = await held(t, 6, 'round-robin');
  const [one, two, ...rest] = of.fds;
  of.rogue.give(asked(7, 2, ANYBODY), [one!, two!]);
  const answer = await answerOf(of);
  t.deepEqual([...answer!.answers].toSorted(), [MOVES, IS_CHOSEN], 'in turns');
  t.is(answer!.first, 7);
  of.rogue.give(asked(2 ** 32 - 2, 4, ANOTHER), rest);
  t.deepEqual(await answerOf(of), { first: 2 ** 32 - 2, answers: [MOVES, MOVES, MOVES, MOVES] });
  await until(
    'five are answered',
    () => of.clients.filter(({ unasked }) => unasked.includes('"pid"')).length,
    (count) => count === 5,
  );
  await of.cluster.drain('d1', true);
  const stays = answer!.answers[0] === IS_CHOSEN ? one! : two!;
  of.rogue.give(asked(1, 1, ANYBODY), [stays]);
  t.deepEqual(await answerOf(of), { first: 1, answers: [IS_CHOSEN] }, 'nobody else is there');
  of.rogue.give(asked(2, 1, ANOTHER), [stays]);
  t.deepEqual(await answerOf(of), { first: 2, answers: [STAYS] });
  await of.cluster.drain('d1', false);
  of.rogue.give(asked(3, 1, ANOTHER), [stays]);
  t.deepEqual(await answerOf(of), { first: 3, answers: [MOVES] });
  for (const client of of.clients) await isServed(client);
  of.fds.forEach(closeFd);
  for (const { socket } of of.clients) socket.destroy();
  await assertAllAccountedFor(t, of.cluster);
});

test.serial('who asks and dies before the answer has given them up, and another serves them', async (t) => {
  const of = await held(t, 5, 'round-robin');
  const status = await of.cluster.status();
  process.kill(of.cluster.head.pid, 'SIGSTOP');
  of.rogue.give(asked(0, 5, ANOTHER), of.fds);
  of.fds.forEach(closeFd);
  of.rogue.die();
  process.kill(of.cluster.head.pid, 'SIGCONT');
  for (const client of of.clients) await isServed(client);
  t.is((await of.cluster.status()).givenBack, status.givenBack + 5);
  for (const { socket } of of.clients) socket.destroy();
  await assertAllAccountedFor(t, of.cluster);
});

test.serial('who asks about what is no connection, or one whose client has gone, keeps it', async (t) => {
  const of = await held(t, 2, 'round-robin');
  of.clients[0]!.socket.resetAndDestroy();
  const file = openSync('/dev/null', 'r');
  await until(
    'its client has gone',
    async () => {
      of.rogue.give(asked(1, 3, ANOTHER), [of.fds[0]!, file, file]);
      return (await answerOf(of))!.answers.join();
    },
    (answers) => answers === '0,0,0',
  );
  of.rogue.give(asked(9, 1, ANOTHER), [of.fds[1]!]);
  t.deepEqual(await answerOf(of), { first: 9, answers: [MOVES] });
  closeFd(file);
  of.fds.forEach(closeFd);
  await isServed(of.clients[1]!);
});

test.serial(
  'nonsense ends the registration of who says it, and what it had asked before is dealt with',
  async (t) => {
    t.timeout(60_000);
    const cluster = await startCluster(t, [...ONE_WORKER], ['d1']);
    const before = await countFds(cluster.head.pid);
    const kinds: [string, Buffer, number][] = [
      ['none', asked(1, 0, ANYBODY), 1],
      ['too many', Buffer.from([0x93, 1, 65, 0]), 1],
      ['of nobody', asked(1, 1, 2), 1],
      ['fewer fds', asked(1, 3, ANYBODY), 2],
      ['more fds', asked(1, 1, ANYBODY), 2],
      ['no fds', asked(1, 1, ANYBODY), 0],
      ['more behind it', Buffer.concat([asked(1, 1, ANYBODY), Buffer.of(0)]), 1],
      ['a word that is missing', asked(1, 1, ANYBODY).subarray(0, 3), 1],
    ];
    for (const [name, bytes, count] of kinds) {
      const rogue = await startRogue(cluster.socket, { moves: 'plain', looks: true });
      rogue.give(bytes, Array<number>(count).fill(rogue.lane));
      let message = await rogue.control();
      while (message?.type === 'distribute') message = await rogue.control();
      t.is(message?.type, 'dismissed', name);
      rogue.die();
      await cluster.untilStatus('it has gone', ({ deliveries }) =>
        deliveries.every((each) => each.name !== 'rogue' || each.state === 'down'),
      );
    }
    await until(
      'no fd is left',
      () => countFds(cluster.head.pid),
      (count) => count <= before + 1,
    );
    t.is((await cluster.status()).deliveries.find(({ name }) => name === 'd1')!.state, 'up');
  },
);

test.serial('only who looks is told of it, and it is told of each that comes, goes or drains', async (t) => {
  const cluster = await startCluster(t, [...ONE_WORKER, ...BY_REQUEST], ['d1']);
  const older = await startRogue(cluster.socket, { name: 'older', moves: 'plain' });
  const rogue = await startRogue(cluster.socket, { moves: 'plain', looks: true });
  t.teardown(async () => rogue.die());
  const names = async () => {
    const message = await rogue.control();
    if (message?.type !== 'distribute') throw new Error(`${message?.type}`);
    return [message.by, message.key, ...message.deliveries.map(({ name }) => name)];
  };
  t.deepEqual(await names(), ['hash', 'path', 'd1', 'older', 'rogue']);
  await cluster.drain('d1', true);
  t.deepEqual(await names(), ['hash', 'path', 'older', 'rogue']);
  await cluster.drain('d1', false);
  t.deepEqual(await names(), ['hash', 'path', 'd1', 'older', 'rogue']);
  older.die();
  t.deepEqual(await names(), ['hash', 'path', 'd1', 'rogue']);
  const only = await startRogue(cluster.socket, { name: 'other', serves: ['a.example'], version: 2 });
  await cluster.addDelivery('d2');
  t.deepEqual(await names(), ['hash', 'path', 'd1', 'rogue', 'd2']);
  only.die();
});

test.serial('a delivery that is killed takes those with it that it has, and no other', async (t) => {
  t.timeout(60_000);
  const cluster = await startCluster(t, ['--workers', '2', ...BY_REQUEST], []);
  const names = ['d1', 'd2', 'd3'];
  const all = await Promise.all(names.map((name) => cluster.addDelivery(name, '--app', app)));
  const clients = await keepAliveMany(cluster.listen, 24);
  let goesOn = true;
  const asking = clients.map(async (client, i) => {
    for (let n = 0; goesOn; n++) await client.ask(`/page/${(i * 5 + n * 7) % 40}`);
  });
  const ended = Promise.allSettled(asking);
  await until(
    'they go',
    async () => (await cluster.status()).givenBack,
    (count) => count > 500,
  );
  await all[1]!.kill();
  const status = await cluster.untilStatus('it has gone', ({ deliveries }) =>
    deliveries.some(({ name, state }) => name === 'd2' && state === 'down'),
  );
  const { givenBack } = status;
  await until(
    'the others go on',
    async () => (await cluster.status()).givenBack,
    (count) => count > givenBack + 300,
  );
  goesOn = false;
  const failed = (await ended).filter(({ status: how }) => how === 'rejected').length;
  t.true(failed < 24, `${failed}`);
  for (const { unasked, socket } of clients) {
    t.is(unasked, '');
    socket.destroy();
  }
  const left = await cluster.untilStatus('nobody is left', ({ deliveries }) =>
    deliveries.every(({ inUse }) => inUse === 0),
  );
  t.is(left.open, 0);
});
