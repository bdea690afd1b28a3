/** For each step of giving back and moving on: what if the head stands still right here, has no room, or is killed? */
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { receiveConnections } from '../../delivery/index.ts';
import { labApp } from '../../delivery/lab-app.ts';
import { createServer } from '../../shared/node-http.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { ONE_WORKER } from '../support/accounted.ts';
import { countFds, startCluster } from '../support/cluster.ts';
import { keepAliveMany } from '../support/keep-alive.ts';
import { needing } from '../support/needs.ts';
import { log } from '../support/one-head.ts';
import { given, isServedElsewhere, taken } from '../support/taken.ts';

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
    t.true((await countFds(pid)) <= before, 'nothing of it is left there');
    await limit(4096);
    of.rogue.give(given(5), [of.fd]);
    t.deepEqual(await of.rogue.word(), { isMoved: true, number: 5 });
    closeFd(of.fd);
    await isServedElsewhere(t, of);
  },
);

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
