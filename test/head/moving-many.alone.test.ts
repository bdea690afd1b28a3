/**
 * Draining and restarting by moving, by numbers. With BATON_MOVING=full those of a large site, else of a small one:
 * `npx ava test/head/moving-many.alone.test.ts` with and without.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { WebSocket } from 'ws';
import { drainByMoving } from '../../infra/admin-client.ts';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { startCluster } from '../support/cluster.ts';
import { keepAliveMany } from '../support/keep-alive.ts';
import { askSteadily } from '../support/steady-clients.ts';
import { until } from '../support/until.ts';

const isFull = process.env.BATON_MOVING === 'full';
const idleCount = isFull ? 1000 : 200;
const downloadCount = isFull ? 200 : 20;
const webSocketCount = isFull ? 200 : 20;
const DOWNLOAD_BYTES = 8_000_000;
/** The bar is a second, of a machine that does nothing else. */
const IDLE_WITHIN_MS = isFull ? 1000 : 3000;

test.serial(
  'idle clients, downloads and WebSockets of one delivery go on at others when it is drained',
  async (t) => {
    t.timeout(180_000);
    const cluster = await startCluster(t, ['--workers', '2'], ['d1', 'd2', 'd3']);
    for (const name of ['d2', 'd3']) await cluster.drain(name, true);
    const idle = await keepAliveMany(cluster.listen, idleCount);
    const downloads = await keepAliveMany(cluster.listen, downloadCount);
    for (const client of [...idle, ...downloads]) t.is(await client.who(), 'd1');
    const sockets = Array.from(
      { length: webSocketCount },
      () => new WebSocket(`ws://${cluster.listen}/`, { perMessageDeflate: false }),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => closed++);
    const answers = downloads.map((client) => {
      const answer = client.ask(`/bytes/${DOWNLOAD_BYTES}`);
      client.socket.pause();
      return answer;
    });
    // Node closes what is idle for 5 s.
    await Promise.all(idle.map((client) => client.who()));
    for (const name of ['d2', 'd3']) await cluster.drain(name, false);

    const began = performance.now();
    t.true(await drainByMoving(cluster.admin, 'd1'));
    await until(
      'only downloads are left',
      cluster.status,
      ({ givenBack }) => givenBack >= idleCount + webSocketCount,
    );
    const took = performance.now() - began;
    t.log(
      `${idleCount} idle connections and ${webSocketCount} WebSockets moved within ${took.toFixed(0)} ms`,
    );
    t.true(took < IDLE_WITHIN_MS, `${took}`);
    const next = await Promise.all(idle.map((client) => client.who()));
    t.false(next.includes('d1'));
    for (const { ended, unasked } of idle) t.is(unasked + (ended ?? ''), '');
    for (const client of downloads) client.socket.resume();
    for (const answer of await Promise.all(answers)) t.is(answer.body.length, DOWNLOAD_BYTES);
    await cluster.untilStatus('d1 has none', ({ deliveries }) =>
      deliveries.some(({ name, inUse }) => name === 'd1' && inUse === 0),
    );
    t.false((await Promise.all(downloads.map((client) => client.who()))).includes('d1'));
    for (const { ended, unasked } of downloads) t.is(unasked + (ended ?? ''), '');
    await Promise.all(
      sockets.map(async (socket, i) => {
        const message = once(socket, 'message');
        socket.send(`${i}`);
        t.is(String((await message)[0]), `${i}`);
      }),
    );
    t.is(closed, 0);
    for (const { socket } of [...idle, ...downloads]) socket.destroy();
    for (const socket of sockets) socket.terminate();
    await assertAllAccountedFor(t, cluster);
  },
);

test.serial('a rolling restart of all deliveries fails nobody', async (t) => {
  t.timeout(180_000);
  const count = isFull ? 500 : 100;
  const perSecond = isFull ? 1000 : 200;
  const neverIdle = isFull ? 10 : 4;
  const names = ['d1', 'd2', 'd3', 'd4'];
  const cluster = await startCluster(t, ['--workers', '2'], []);
  const running = new Map<string, Awaited<ReturnType<typeof cluster.addDelivery>>>();
  for (const name of names) running.set(name, await cluster.addDelivery(name, '--move', 'on'));
  const steady = await askSteadily(cluster.listen, { count, perSecond, neverIdle });
  for (const name of names) {
    await delay(200);
    await running.get(name)!.stop();
    await cluster.addDelivery(name, '--move', 'on');
  }
  await steady.stop();
  const { answered, failed } = steady;
  const { givenBack } = await cluster.status();
  t.log(`${answered} requests on ${count} connections, ${givenBack} times moved, ${failed.length} failed`);
  t.deepEqual(failed, []);
  t.true(givenBack > count);
  steady.close();
  await assertAllAccountedFor(t, cluster);
});
