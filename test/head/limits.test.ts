/** What the head does with clients that are not HTTP, too large, too slow or too many. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { type Cluster, countFds, startCluster } from '../support/cluster.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { open, send } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const failure = (cluster: Cluster, reason: string): Promise<number> =>
  cluster.metric(`baton_inspection_failures_total{reason="${reason}"}`);

for (const mode of ['handoff', 'redirect'] as const) {
  test.serial(
    `${mode}: what is no request gets an answer that arrives whole, and is counted by name`,
    async (t) => {
      const cluster = await startCluster(
        t,
        ['--mode', mode, '--head-timeout', '300ms', '--head-bytes', '4k'],
        ['d1'],
      );
      const fds = await countFds(cluster.head.pid);
      const cases: [string, string, number, string][] = [
        ['garbage', 'not http at all\r\n\r\n', 400, 'not_http'],
        ['a target with a space', 'GET /a b HTTP/1.1\r\n\r\n', 400, 'not_http'],
        ['an injected header', 'GET /a\rX: y HTTP/1.1\r\n\r\n', 400, 'not_http'],
        ['a version that is not 1.x', 'GET / HTTP/3.0\r\n\r\n', 400, 'not_http'],
        // More follows than the head has read: closing at once would reset the connection and lose the answer.
        ['garbage with much behind it', `\0${'x'.repeat(500_000)}`, 400, 'not_http'],
        ['a large head', `GET / HTTP/1.1\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`, 431, 'head_too_large'],
        ['a large target', `GET /${'x'.repeat(300_000)}`, 431, 'head_too_large'],
        ['half a head', 'GET / HTTP/1.1\r\nHo', 408, 'too_slow'],
        ['silence', '', 408, 'too_slow'],
      ];
      for (const [what, bytes, status, reason] of cases) {
        const before = await failure(cluster, reason);
        const reply = await send(cluster.listen, bytes);
        t.is(reply.status, status, what);
        t.is(reply.headers.connection, 'close', what);
        t.is(Number(reply.headers['content-length']), reply.rest.length, what);
        t.is(await failure(cluster, reason), before + 1, what);
      }
      const foreign: [string, string][] = [
        ['\x16\x03\x01\x02\x00\x01\x00\x01', 'tls'],
        ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
      ];
      for (const [bytes, reason] of foreign) {
        const socket = await open(cluster.listen);
        socket.write(bytes, 'latin1');
        t.is(await text(socket), '', `${reason}: nothing that it would not understand`);
        t.is(await failure(cluster, reason), 1);
        socket.destroy();
      }
      const halfClosed = await send(cluster.listen, 'GET / HTTP/1.1\r\n', { halfClose: true });
      t.is(halfClosed.status, 400);
      t.is(await failure(cluster, 'incomplete'), 1);
      const gone = await open(cluster.listen);
      gone.destroy();
      await until(
        'it is counted',
        () => failure(cluster, 'client_gone'),
        (count) => count === 1,
      );
      const reset = await open(cluster.listen);
      reset.write('GET /');
      reset.resetAndDestroy();
      await until(
        'it is counted',
        () => failure(cluster, 'client_gone'),
        (count) => count === 2,
      );
      await cluster.untilStatus('nothing is open', ({ open: count, lingering }) => count + lingering === 0);
      await until(
        'no fd is left',
        () => countFds(cluster.head.pid),
        (count) => count <= fds,
      );
    },
  );
}

test.serial(
  'a client that goes on sending after its answer is cut off at the bounds of lingering',
  async (t) => {
    const bounds = ['--linger-idle', '200ms', '--linger-bytes', '1m', '--linger-total', '2s'];
    const cluster = await startCluster(t, ['--mode', 'redirect', ...bounds], ['d1']);
    const idle = await open(cluster.listen);
    idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    idle.resume();
    await once(idle, 'end');
    await cluster.untilStatus(
      'the idle one is closed',
      ({ open: count, lingering }) => count + lingering === 0,
    );
    idle.destroy();

    const endless = await open(cluster.listen);
    endless.resume();
    endless.on('error', () => {});
    endless.setMaxListeners(0);
    endless.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    let sent = 0;
    const block = Buffer.alloc(65_536, 0x61);
    while (!endless.destroyed && sent < 200 * block.length) {
      sent += block.length;
      if (endless.write(block)) continue;
      await new Promise<void>((resolve) => {
        endless.once('drain', resolve);
        endless.once('close', resolve);
      });
    }
    t.true(endless.destroyed, 'it was reset');
    await cluster.untilStatus('it is closed', ({ open: count, lingering }) => count + lingering === 0);
  },
);

test.serial(
  '5,000 idle and dripping connections do not delay a visit, and are closed at their time limit',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1', '--head-timeout', '4s', '--backlog', '4096']);
    const fds = await countFds(cluster.head.pid);
    const quiet = (await visitSteadily(cluster.listen, '/bytes/1000', { count: 100, perSecond: 100 })).map(
      (v) => v.millis,
    );
    const crowd: Socket[] = [];
    t.teardown(async () => crowd.forEach((socket) => void socket.destroy()));
    for (let batch = 0; batch < 50; batch++) {
      crowd.push(...(await Promise.all(Array.from({ length: 100 }, () => open(cluster.listen)))));
    }
    const ends = crowd.map((socket) => text(socket).catch((error: Error) => error.message));
    const request = 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n';
    let at = 0;
    const dripping = crowd.filter((_, i) => i % 2 === 0);
    const drip = (): void => {
      for (const socket of dripping) if (socket.writable) socket.write(request[at] ?? '');
      at++;
    };
    const timer = setInterval(drip, 1000);
    t.teardown(async () => clearInterval(timer));
    t.true((await cluster.status()).open >= 4900);
    const crowded = await visitSteadily(cluster.listen, '/bytes/1000', { count: 100, perSecond: 100 });
    t.deepEqual(failed(crowded), []);
    const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
    const [before, during] = [median(quiet), median(crowded.map((v) => v.millis))];
    t.true(
      during < before * 3 + 5,
      `a visit took ${before.toFixed(1)} ms before and ${during.toFixed(1)} ms in the crowd`,
    );
    const answers = await Promise.all(ends);
    clearInterval(timer);
    t.is(answers.filter((answer) => answer.startsWith('HTTP/1.1 408')).length, 5000);
    await cluster.untilStatus('all are closed', ({ open: count, lingering }) => count + lingering === 0);
    await until(
      'the fds are back',
      () => countFds(cluster.head.pid),
      (count) => count <= fds + 2,
    );
    t.is(await failure(cluster, 'too_slow'), 5000);
  },
);

test.serial(
  'a head that may hold no more connections gives up the one that has waited longest',
  async (t) => {
    const cluster = await startCluster(
      t,
      ['--workers', '1', '--max-connections', '20', '--head-timeout', '30s'],
      ['d1'],
    );
    const idle = await Promise.all(Array.from({ length: 40 }, () => open(cluster.listen)));
    t.teardown(async () => idle.forEach((socket) => void socket.destroy()));
    t.is((await visit(cluster.listen, '/bytes/5')).status, 200);
    t.true((await cluster.status()).open <= 20);
    t.true((await failure(cluster, 'crowded')) >= 20);
  },
);

test.serial('a hundred switches of the mode under load fail no visit', async (t) => {
  const cluster = await startCluster(t, ['--workers', '2']);
  const order = ['redirect', 'created', 'handoff'] as const;
  const running = visitSteadily(cluster.listen, '/bytes/1000', { count: 1500, perSecond: 300 });
  let done = false;
  void running.then(() => {
    done = true;
  });
  let switches = 0;
  while (switches < 100) await cluster.setMode(order[switches++ % 3]!);
  while (!done) await cluster.setMode(order[switches++ % 3]!);
  t.deepEqual(failed(await running), []);
  const status = await cluster.untilStatus(
    'nothing is open',
    ({ open: count, lingering }) => count + lingering === 0,
  );
  t.is(status.accepted, 1500);
  for (const mode of order) {
    t.true(
      Object.values(status.outcomes[mode]!).reduce((a, b) => a + b) > 0,
      `${mode} had its turn in ${switches} switches`,
    );
  }
});

test.serial('with --defer-accept a silent connection stays with the kernel until it speaks', async (t) => {
  const cluster = await startCluster(t, ['--defer-accept', '3s', '--workers', '1'], ['d1']);
  const silent = await open(cluster.listen);
  t.is((await visit(cluster.listen, '/bytes/10')).status, 200);
  // One worker takes connections in their order: were the silent one in the queue, it would have come before.
  t.is((await cluster.status()).accepted, 1);
  silent.write('GET /bytes/10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  t.regex(await text(silent), /^HTTP\/1\.1 200 /);
  t.is((await cluster.status()).accepted, 2);
});
