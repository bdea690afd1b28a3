/** What the head does with clients that are not HTTP, too large, too slow or too many. */
import { once } from 'node:events';
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
        ['--mode', mode, '--head-timeout', '3s', '--head-bytes', '4k'],
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
  const cluster = await startCluster(t, ['--defer-accept', '30s', '--workers', '1'], ['d1']);
  const silent = await open(cluster.listen);
  t.is((await visit(cluster.listen, '/bytes/10')).status, 200);
  // One worker takes connections in their order: were the silent one in the queue, it would have come before.
  await cluster.untilStatus('it is counted', ({ accepted }) => accepted === 1);
  silent.write('GET /bytes/10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  t.regex(await text(silent), /^HTTP\/1\.1 200 /);
  await cluster.untilStatus('both are', ({ accepted }) => accepted === 2);
  t.pass();
});

test.serial(
  'CONNECT reaches the server, and is answered by the head where there is none to hand it to',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], []);
    const request = 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n';
    t.is((await send(cluster.listen, request)).status, 503);
    await cluster.setMode('redirect');
    t.is((await send(cluster.listen, request)).status, 501);
    await cluster.setMode('created');
    t.is((await send(cluster.listen, request)).status, 501);
    await cluster.setMode('handoff');
    await cluster.addDelivery('d1');
    // The lab application has no listener for it, so its server closes without an answer, as it does with its own clients.
    const socket = await open(cluster.listen);
    socket.write(request);
    t.is(await text(socket), '');
    await cluster.untilStatus('it was handed over', ({ outcomes }) => outcomes.handoff!.taken === 1);
    socket.destroy();
  },
);

test.serial('what the head says to HEAD has no body, whatever it is', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--head-timeout', '3s', '--head-bytes', '1k'], []);
  for (const [bytes, status] of [
    ['HEAD / HTTP/1.1\r\nHost: x\r\n\r\n', 503],
    [`HEAD / HTTP/1.1\r\nX: ${'y'.repeat(2000)}\r\n\r\n`, 431],
    ['HEAD / HTTP/9.9\r\n\r\n', 400],
    ['HEAD / HTTP/1.1\r\nHo', 408],
  ] as const) {
    const reply = await send(cluster.listen, bytes);
    t.is(reply.status, status);
    t.true(Number(reply.headers['content-length']) > 0);
    t.is(reply.rest.length, 0, `${status}`);
  }
});
