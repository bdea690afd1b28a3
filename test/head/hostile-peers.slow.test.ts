/** What peers of the deliveries' socket and of the admin socket do to a head. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { getMetrics } from '../../infra/admin-client.ts';
import { EPIPE } from '../../shared/sys/libc.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { connectSeqpacket } from '../../shared/sys/unix-sockets.ts';
import { encodeControl } from '../../shared/wire/control.ts';
import { countFds, startCluster } from '../support/cluster.ts';
import { sendGarbage } from '../support/garbage.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { startRogue } from '../support/rogue.ts';
import { until } from '../support/until.ts';

test.serial(
  'peers that say anything and close at any moment cost no visit, no fd and no memory',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '2'], ['d1']);
    await sendGarbage(cluster.socket, 200, 1);
    await cluster.untilStatus(
      'only d1 is up',
      ({ deliveries }) => deliveries.filter((d) => d.state === 'up').length === 1,
    );
    const fds = await countFds(cluster.head.pid);
    const visits = visitSteadily(cluster.listen, '/bytes/10', {
      count: 400,
      perSecond: 100,
      timeoutMs: 60_000,
    });
    for (let round = 2; round < 8; round++) {
      await sendGarbage(cluster.socket, 500, round);
      await getMetrics(cluster.admin);
    }
    t.deepEqual(failed(await visits), []);
    await cluster.untilStatus(
      'only d1 is up',
      ({ deliveries }) => deliveries.filter((d) => d.state === 'up').length === 1,
    );
    await until(
      'the fds are back',
      () => countFds(cluster.head.pid),
      (count) => count <= fds + 2,
    );
  },
);

test.serial(
  'thirty registrations of a process that freezes and is killed end no head that is being scraped',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1', '--stall-timeout', '300ms'], ['d1']);
    for (let round = 0; round < 3; round++) {
      const rogues = await Promise.all(
        Array.from({ length: 30 }, (_, i) => startRogue(cluster.socket, { name: `frozen-${i}` })),
      );
      const scraping = getMetrics(cluster.admin);
      for (const rogue of rogues) rogue.die();
      await scraping;
      t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
    }
  },
);

test.serial(
  'a delivery that never reads what it is told is dropped, and the queue for it is bounded',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1', '--stall-timeout', '100ms'], ['d1']);
    const deaf = connectSeqpacket(cluster.socket);
    t.teardown(async () => closeFd(deaf));
    const { createFdMessenger } = await import('../../shared/sys/pass-fds.ts');
    const messenger = createFdMessenger(1024);
    const say = (message: Parameters<typeof encodeControl>[0]): number => {
      const bytes = encodeControl(message);
      messenger.bytes.set(bytes);
      return messenger.send(deaf, bytes.length, 0);
    };
    say({ type: 'hello', version: 1, name: 'deaf', pid: 1, credits: 1, weight: 1, direct: null, active: 0 });
    await cluster.untilStatus('it is up', ({ deliveries }) =>
      deliveries.some((d) => d.name === 'deaf' && d.state === 'up'),
    );
    // It talks, so it is not dead; each ping stays in its socket.
    await until(
      'the head has had enough',
      () => say({ type: 'pong', direct: 0 }),
      (sent) => sent === EPIPE,
      60_000,
    );
    t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
  },
);

test.serial(
  'silent peers do not keep a delivery out, nor admin clients that stand still a command',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], []);
    const silent = Array.from({ length: 60 }, () => connectSeqpacket(cluster.socket));
    const fds = () => countFds(cluster.head.pid);
    for (let i = 0; i < 5; i++) {
      await until('they are accepted', fds, (count) => count > 60);
      for (let j = 0; j < 60; j++) {
        await until(
          'there is room in the queue',
          () => {
            try {
              silent.push(connectSeqpacket(cluster.socket));
              return true;
            } catch {
              return false;
            }
          },
          Boolean,
        );
      }
    }
    t.teardown(async () => silent.forEach(closeFd));
    const still: Socket[] = [];
    t.teardown(async () => still.forEach((socket) => void socket.destroy()));
    for (let i = 0; i < 200; i++) {
      const socket = connect(cluster.admin).on('error', () => {});
      still.push(socket);
      socket.write('GET /status HTTP/1.1\r\nX: ');
      await once(socket, 'connect');
    }
    t.true((await fds()) < 300, 'they are bounded');
    await cluster.addDelivery('d1');
    t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
    t.like(await cluster.status(), { deliveries: [{ name: 'd1', state: 'up' }] });
  },
);
