/**
 * Draining a delivery of another host by moving, by numbers. With BATON_MOVING=full those of a large site, else of a small one:
 * `npx ava test/head/migrate/moving-many.alone.test.ts` with and without.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { WebSocket } from 'ws';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const isFull = process.env.BATON_MOVING === 'full';
const idleCount = isFull ? 1000 : 200;
const downloadCount = isFull ? 200 : 20;
const webSocketCount = isFull ? 200 : 20;
const DOWNLOAD_BYTES = 8_000_000;
/** The bar is two seconds, of a machine that does nothing else. */
const IDLE_WITHIN_MS = isFull ? 2000 : 5000;
const all = ['d1', 'd2', 'l1'];

let lab: LabForTests;
labTest('a lab of two delivery hosts and a delivery at the head', async (t) => {
  lab = await startTestLab({ deliveries: 2, local: 1, headArguments: ['--workers', '2'] });
  t.is(lab.deliveries.length, 3);
});

for (const [from, ...to] of [
  ['d1', 'd2'],
  ['d1', 'l1'],
  ['l1', 'd1', 'd2'],
] as const) {
  labTest(`idle clients, downloads and WebSockets of ${from} go on at ${to.join(' and ')}`, async (t) => {
    t.timeout(180_000);
    for (const name of all) await lab.head.drain(name, name !== from);
    const downloads = await keepAliveMany(lab.head.listen, downloadCount);
    for (const name of await Promise.all(downloads.map((client) => client.who()))) t.is(name, from);
    // Their lengths alone: the bodies would fill the memory of this thread.
    const lengths = downloads.map((client) => {
      const answer = client.ask(`/bytes/${DOWNLOAD_BYTES}`);
      client.socket.pause();
      return answer.then(async ({ body }) => {
        // At once, and not when the last one has its answer: a server closes what is idle for 5 s, with a reset where it meets a request.
        while ((await client.who()) === from) await delay(20);
        t.is(client.unasked + (client.ended ?? ''), '');
        return body.length;
      });
    });
    const sockets = Array.from(
      { length: webSocketCount },
      () => new WebSocket(`ws://${lab.head.listen}/`, { perMessageDeflate: false }),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => closed++);
    // Last, as Node closes what is idle for 5 s.
    const idle = await keepAliveMany(lab.head.listen, idleCount);
    const whose = await Promise.all(idle.map((client) => client.who()));
    t.true(whose.every((name) => name === from));
    for (const name of to) await lab.head.drain(name, false);

    const before = (await lab.head.status()).givenBack;
    const began = performance.now();
    t.true(await drainByMoving(join(lab.network.directory, 'head.admin.sock'), from));
    await until(
      'only downloads are left',
      () => lab.head.status(),
      ({ deliveries, givenBack }) =>
        givenBack - before >= idleCount + webSocketCount &&
        deliveries.some(({ name, inUse }) => name === from && inUse <= downloadCount),
      60_000,
    );
    const took = performance.now() - began;
    t.log(
      `${idleCount} idle connections and ${webSocketCount} WebSockets moved within ${took.toFixed(0)} ms`,
    );
    const next = await Promise.all(idle.map((client) => client.who()));
    t.false(next.includes(from));
    for (const { ended, unasked } of idle) t.is(unasked + (ended ?? ''), '');
    for (const client of downloads) client.socket.resume();
    for (const length of await Promise.all(lengths)) t.is(length, DOWNLOAD_BYTES);
    await lab.untilStatus(`${from} has none`, ({ deliveries }) =>
      deliveries.some(({ name, inUse }) => name === from && inUse === 0),
    );
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
    await untilNothingIsLeft(lab);
    // Last, so that what is late leaves nothing to the next.
    t.true(took < IDLE_WITHIN_MS, `${took}`);
  });
}
