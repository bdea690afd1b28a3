/** A head under a steady load that is killed, or told to reload without end. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { getStatus } from '../../../infra/admin-client.ts';
import { startCluster } from '../../support/cluster.ts';
import { startKeeper } from '../../support/keeper.ts';
import { failed, visitSteadily } from '../../support/load.ts';
import { spawnBaton } from '../../support/spawn.ts';
import { until } from '../../support/until.ts';

/** Connections that wait to be accepted there (the second column of what ss shows of listeners). */
const queuedAt = (address: string): number =>
  execFileSync('ss', ['-Hltn', 'src', address], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[1]), 0);

test.serial(
  'kill -9 of the head under 1,000 visits a second: nobody is refused, who comes after it is served',
  async (t) => {
    const kept = await startKeeper(t);
    const { listen, admin, pid } = await kept.untilReady(1);
    for (const name of ['d1', 'd2']) await spawnBaton(t, 'delivery', '--name', name, '--head', kept.socket);
    const visiting = visitSteadily(listen, '/bytes/10', { count: 4000, perSecond: 1000, timeoutMs: 60_000 });
    await until(
      'visits are served',
      () => getStatus(admin),
      ({ accepted }) => accepted > 500,
    );
    const killedAt = performance.now();
    process.kill(pid, 'SIGKILL');
    await kept.untilReady(2);
    const readyMs = performance.now() - killedAt;
    const visits = await visiting;
    const lost = failed(visits);
    t.deepEqual(
      lost.filter(({ error, beganAt }) => error.includes('ECONNREFUSED') || beganAt > killedAt),
      [],
    );
    const after = visits.filter(({ beganAt, status }) => beganAt > killedAt && status === 200);
    const firstMs = Math.min(...after.map(({ beganAt, millis }) => beganAt + millis)) - killedAt;
    t.log(
      `${lost.length} of ${visits.length} lost, ready after ${readyMs.toFixed(0)} ms, the first served after ${firstMs.toFixed(0)} ms`,
    );
    // A delivery asks every 25 ms, or waits in the queue of the socket that was kept.
    t.true(firstMs < readyMs + Math.max(1000, readyMs));
  },
);

test.serial(
  'kill -9 of a head that has stood still: each visit that it had not accepted is served',
  async (t) => {
    const kept = await startKeeper(t);
    const { listen, admin, pid } = await kept.untilReady(1);
    for (const name of ['d1', 'd2']) await spawnBaton(t, 'delivery', '--name', name, '--head', kept.socket);
    await until(
      'both are up',
      () => getStatus(admin),
      ({ deliveries }) => deliveries.filter(({ state }) => state === 'up').length === 2,
    );
    const before = await visitSteadily(listen, '/bytes/10', { count: 200, perSecond: 1000 });
    t.deepEqual(failed(before), []);
    // From here on nobody accepts: whoever comes waits in a queue, which the keeper has as well.
    process.kill(pid, 'SIGSTOP');
    const visiting = visitSteadily(listen, '/bytes/10', { count: 1000, perSecond: 1000, timeoutMs: 60_000 });
    await until(
      'some wait',
      () => queuedAt(listen),
      (queued) => queued > 50,
    );
    process.kill(pid, 'SIGKILL');
    const visits = await visiting;
    t.deepEqual(failed(visits), []);
    t.is(visits.length, 1000);
  },
);

test.serial('a thousand hangups within a second lose no visit, and the last is heeded', async (t) => {
  const cluster = await startCluster(t, ['--workers', '2'], []);
  const file = join(cluster.directory, 'head.json');
  writeFileSync(file, '{}');
  await cluster.head.stop();
  await cluster.restartHead('--config', file);
  for (const name of ['d1', 'd2']) await cluster.addDelivery(name);
  const visiting = visitSteadily(cluster.listen, '/bytes/10', {
    count: 1500,
    perSecond: 500,
    timeoutMs: 60_000,
  });
  const began = performance.now();
  for (let i = 0; i < 1000; i++) {
    // Each reload finds something else, and some of it is wrong.
    if (i % 50 === 0)
      writeFileSync(file, ['{}', '{"policy":"weighted"}', '{"policy":', '{"headBytes":1024}'][(i / 50) % 4]!);
    process.kill(cluster.head.pid!, 'SIGHUP');
    const early = began + i - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  }
  const visits = await visiting;
  t.deepEqual(failed(visits), []);
  writeFileSync(file, '{"policy":"path-hash"}');
  process.kill(cluster.head.pid!, 'SIGHUP');
  await cluster.untilStatus('the last is in force', ({ policy }) => policy === 'path-hash');
});
