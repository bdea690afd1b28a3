/** One head after another under all kinds of visitors, ten times. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { WebSocket } from 'ws';
import { upgradeHead } from '../../infra/admin-client.ts';
import { failed, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { gone, startToUpgrade, takeOver } from '../support/upgrades.ts';

/** False when nothing more comes. */
function hears(socket: Socket): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const [onData, onEnd] = [() => resolve(true), () => resolve(false)];
  socket.on('data', onData).on('close', onEnd).on('error', onEnd);
  return promise.finally(() => socket.off('data', onData).off('close', onEnd).off('error', onEnd));
}

test('visits, keep-alive connections, WebSockets and half-sent heads through ten upgrades, with 1, 4 and 2 workers', async (t) => {
  t.timeout(180_000);
  const cluster = await startToUpgrade(t);
  let over = false;
  const visits = (async () => {
    const all = [];
    while (!over)
      all.push(...(await visitSteadily(cluster.listen, '/bytes/10', { count: 50, perSecond: 100 })));
    return all;
  })();
  const keptAlive = Array.from({ length: 10 }, async () => {
    const socket = await open(cluster.listen);
    let answers = 0;
    while (!over && !socket.destroyed) {
      socket.write('GET /bytes/5 HTTP/1.1\r\nHost: x\r\n\r\n');
      if (!(await hears(socket))) break;
      answers++;
      await delay(50);
    }
    socket.destroy();
    return { isWhole: over, answers };
  });
  const webSockets = Array.from({ length: 5 }, async () => {
    const socket = new WebSocket(`ws://${cluster.listen}/`);
    await once(socket, 'open');
    let echoes = 0;
    while (!over) {
      socket.send(`message ${echoes}`);
      const [data] = (await once(socket, 'message')) as [Buffer];
      if (data.toString() !== `message ${echoes}`) break;
      echoes++;
      await delay(50);
    }
    socket.terminate();
    return { isWhole: over, echoes };
  });
  // Each outlives an upgrade or two between its two halves.
  const halves = (async () => {
    const all = [];
    while (!over) {
      all.push(
        (async () => {
          const socket = await open(cluster.listen);
          socket.write('GET /bytes/4 HTTP/1.1\r\nHost: x\r\nConn');
          await delay(1500);
          socket.write('ection: close\r\n\r\n');
          const chunks: Buffer[] = [];
          for await (const chunk of socket) chunks.push(chunk as Buffer);
          return Buffer.concat(chunks).toString('latin1').startsWith('HTTP/1.1 200 ');
        })().catch(() => false),
      );
      await delay(100);
    }
    return await Promise.all(all);
  })();
  const workers: number[] = [];
  for (let round = 0; round < 10; round++) {
    const before = (await cluster.status()).pid;
    const wanted = [1, 4, 2][round % 3]!;
    if (round < 6) {
      const successor = await takeOver(cluster, '--workers', String(wanted));
      await successor.taken;
    } else await upgradeHead(cluster.admin);
    await gone(before);
    const status = await cluster.untilStatus('both are there', ({ deliveries }) => deliveries.length === 2);
    workers.push(status.workers);
    t.is(status.listeners.length, round === 0 ? 1 : 4, 'no queue is lost');
  }
  over = true;
  t.deepEqual(workers, [1, 4, 2, 1, 4, 2, 2, 2, 2, 2]);
  t.deepEqual(failed(await visits), []);
  for (const { isWhole, answers } of await Promise.all(keptAlive)) t.true(isWhole && answers > 10);
  for (const { isWhole, echoes } of await Promise.all(webSockets)) t.true(isWhole && echoes > 10);
  const whole = await halves;
  t.true(
    whole.length > 10 && whole.every(Boolean),
    `${whole.filter((one) => !one).length} of ${whole.length}`,
  );
  // What was passed on has one outcome, and the last head has no more than it has accepted or been given.
  const status = await cluster.untilStatus(
    'nothing is open',
    ({ open: left, lingering }) => left + lingering === 0,
  );
  const outcomes = [...Object.values(status.outcomes), status.inspectionFailures].flatMap(
    Object.values,
  ) as number[];
  t.is(
    outcomes.reduce((sum, n) => sum + n, 0),
    status.accepted,
  );
});
