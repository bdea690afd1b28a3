/** One head after another, and two at once: nothing is lost in between, and what operators said holds. */
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { getStatus } from '../../infra/admin-client.ts';
import { baton } from '../../infra/lab/service.ts';
import { bindReuseport } from '../../shared/sys/reuseport.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { startCluster } from '../support/cluster.ts';
import { failed, visit } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';
import { spawnBaton } from '../support/spawn.ts';
import { until } from '../support/until.ts';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-restart-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

// No other test uses this address.
const TWICE = '127.0.71.3';

const request = 'GET /bytes/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

test.serial(
  'two heads that start at the same moment: the second says that the port is in use, or the socket',
  async (t) => {
    const directory = await folder(t);
    const { fds, bound } = await bindReuseport({ host: TWICE, port: 0 }, 1);
    fds.forEach(closeFd);
    for (const [names, message] of [
      [['a.sock', 'b.sock'], /^baton: 127\.0\.71\.3:\d+ is already taken by another program/m],
      [
        ['c.sock', 'c.sock'],
        /^baton: another process is listening on .*c(\.admin)?\.sock; stop it or choose another path/m,
      ],
    ] as const) {
      const heads = names.map((name) =>
        execa(
          baton[0]!,
          [
            ...baton.slice(1),
            ...[
              'head',
              '--listen',
              `${TWICE}:${bound.port}`,
              '--socket',
              join(directory, name),
              '--workers',
              '2',
            ],
          ],
          { reject: false },
        ),
      );
      const ready = heads.map((head) => once(head.stdout, 'data').catch(() => undefined));
      const first = await Promise.race(heads.map(async (head, index) => ({ index, loser: await head })));
      t.is(first.loser.exitCode, 1);
      t.regex(first.loser.stderr, message);
      const winner = heads[1 - first.index]!;
      t.teardown(async () => void winner.kill('SIGKILL'));
      await ready[1 - first.index];
      winner.kill('SIGTERM');
      t.is((await winner).exitCode, 0);
    }
  },
);

test.serial(
  'a successor starts while its predecessor drains, has the deliveries, and keeps its sockets',
  async (t) => {
    const cluster = await startCluster(
      t,
      ['--workers', '2', '--mode', 'redirect', '--linger-idle', '4s'],
      ['d1'],
    );
    const client = await open(cluster.listen);
    client.write('GET /bytes/3 HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(client, 'data');
    // It has its answer and does not close: the predecessor waits for it.
    process.kill(cluster.head.pid, 'SIGTERM');
    const old = cluster.head;
    await until(
      'the paths are free',
      () => existsSync(cluster.socket) || existsSync(cluster.admin),
      (there) => !there,
    );
    await cluster.restartHead('--mode', 'handoff');
    await cluster.untilStatus('it has d1', ({ deliveries }) => deliveries[0]?.state === 'up');
    t.is((await visit(cluster.listen, '/bytes/3')).status, 200);
    process.kill(old.pid, 0);
    client.destroy();
    await old.stop();
    t.true(existsSync(cluster.socket) && existsSync(cluster.admin), 'they are the successor’s');
    await cluster.addDelivery('d2');
    t.is((await cluster.status()).deliveries.length, 2);
  },
);

test.serial(
  'who comes before the first delivery waits in the accept queue, for a bounded time',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '2', '--first-delivery-within', '60s'], []);
    const early = Array.from({ length: 20 }, () => visit(cluster.listen, '/bytes/3', 60_000));
    await cluster.untilStatus(
      'they wait',
      ({ listeners }) => listeners.reduce((sum, { queued }) => sum + queued, 0) === 20,
    );
    await cluster.addDelivery('d1');
    t.deepEqual(failed(await Promise.all(early)), []);

    const alone = await startCluster(t, ['--first-delivery-within', '100ms'], []);
    t.is((await visit(alone.listen, '/bytes/3')).status, 503);
  },
);

test.serial('who comes before the first delivery does not take one that is drained for it', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--first-delivery-within', '60s'], ['d1']);
  await cluster.drain('d1', true);
  await cluster.head.stop();
  await cluster.restartHead();
  const early = Array.from({ length: 5 }, () => visit(cluster.listen, '/bytes/3', 60_000));
  await cluster.untilStatus(
    'they wait, and it is back',
    ({ listeners, deliveries }) => listeners[0]?.queued === 5 && deliveries[0]?.state === 'draining',
  );
  await cluster.addDelivery('d2');
  t.deepEqual(failed(await Promise.all(early)), []);
});

test.serial(
  'a head that is stopped while it waits for its first delivery hears who has come before it answers',
  async (t) => {
    const WITHIN_MS = 2000;
    const cluster = await startCluster(
      t,
      ['--workers', '1', '--first-delivery-within', `${WITHIN_MS}ms`],
      [],
    );
    await cluster.head.freeze();
    const early = visit(cluster.listen, '/bytes/3', 60_000);
    const registering = cluster.addDelivery('d1');
    // Its timer is overdue when it goes on.
    await delay(WITHIN_MS * 1.5);
    await cluster.head.resume();
    await registering;
    t.is((await early).status, 200);
  },
);

test.serial('a head that is told to stop before its first delivery answers those who wait', async (t) => {
  const directory = await folder(t);
  const head = await spawnBaton(
    t,
    ...[
      'head',
      '--listen',
      '127.0.0.1:0',
      '--socket',
      join(directory, 'h.sock'),
      '--first-delivery-within',
      '60s',
    ],
  );
  const client = await open(String(head.ready.listen));
  client.write(request);
  await until(
    'it waits',
    () => getStatus(String(head.ready.admin)),
    ({ listeners }) => listeners[0]?.queued === 1,
  );
  head.signal('SIGTERM');
  t.regex(await text(client), /^HTTP\/1.1 503/);
  t.deepEqual(await head.exited, [0, null]);
});

test.serial(
  'a drained delivery stays drained when it comes again, and under the next head, until it is undrained',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1', '--first-delivery-within', '0'], ['d1']);
    await cluster.drain('d1', true);
    const [d1] = cluster.deliveries;
    process.kill(d1!.pid, 'SIGKILL');
    const states = async () => (await cluster.status()).deliveries.map((d) => d.state);
    await until('it has gone', states, (all) => all[0] === 'down');
    await cluster.addDelivery('d1');
    await until('it is back', states, (all) => all[0] === 'draining');
    await cluster.head.stop();
    await cluster.restartHead();
    await until('it is back', states, (all) => all[0] === 'draining');
    t.deepEqual(JSON.parse(readFileSync(`${cluster.socket}.drained`, 'utf8')), ['d1']);
    t.is((await visit(cluster.listen, '/bytes/3')).status, 503);
    await cluster.drain('d1', false);
    t.false(existsSync(`${cluster.socket}.drained`));
    t.is((await visit(cluster.listen, '/bytes/3')).status, 200);
    await cluster.head.stop();
    writeFileSync(`${cluster.socket}.drained`, 'nonsense');
    await cluster.restartHead();
    await until('it is up', states, (all) => all[0] === 'up');
  },
);

test.serial('a delivery that has gone is forgotten after a while, and its metrics with it', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--forget-after', '300ms'], ['d1']);
  const rogue = await startRogue(cluster.socket);
  t.is((await cluster.status()).deliveries.length, 2);
  rogue.die();
  await cluster.untilStatus('it is forgotten', ({ deliveries }) => deliveries.length === 1);
  await t.throwsAsync(() => cluster.metric('baton_delivery_credits{delivery="rogue"}'), {
    message: /^no metric/,
  });
  (await startRogue(cluster.socket)).die();
  t.is((await visit(cluster.listen, '/bytes/3')).status, 200);
});

test.serial('a socket file that somebody deletes under a running head is made again', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1'], []);
  rmSync(cluster.socket);
  rmSync(cluster.admin);
  await until('they are back', () => existsSync(cluster.socket) && existsSync(cluster.admin), Boolean);
  await cluster.addDelivery('d1');
  t.is((await visit(cluster.listen, '/bytes/3')).status, 200);
  t.is((await cluster.status()).deliveries.length, 1);
});
