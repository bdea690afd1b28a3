/** What becomes of visits while a delivery computes: on a machine that others keep busy, it would for too long. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { failed, visitSteadily } from '../support/load.ts';

/** Adds a delivery whose every answer takes 25 ms of CPU. */
function addBusy(cluster: Cluster, name: string) {
  const app = join(cluster.directory, 'busy.mjs');
  writeFileSync(
    app,
    `export default (request, response) => {
      const { user } = process.cpuUsage();
      while (process.cpuUsage().user - user < 25_000);
      response.end('done');
    };`,
  );
  return cluster.addDelivery(name, '--app', app);
}

test.serial(
  'a burst that keeps the only delivery busy for seconds is served late, and refused to nobody',
  async (t) => {
    const cluster = await startCluster(t, ['--stall-timeout', '750ms'], []);
    await addBusy(cluster, 'd1');
    // Each takes 25 ms of CPU: the delivery's event loop does not turn while it works off what it has taken together.
    const visits = await visitSteadily(cluster.listen, '/', {
      count: 90,
      perSecond: 1000,
      timeoutMs: 120_000,
    });
    t.deepEqual(failed(visits), []);
    const { deliveries, outcomes } = await cluster.status();
    t.like(deliveries[0], { state: 'up', taken: 90, returned: 0 });
    t.like(outcomes.handoff, { taken: 90, unavailable: 0, redirected: 0 });
  },
);

test.serial(
  'while a busy one is waited for, a frozen one is dropped, and what it had not taken goes to it',
  async (t) => {
    const cluster = await startCluster(t, ['--stall-timeout', '1500ms'], ['d1']);
    await addBusy(cluster, 'd2');
    const frozen = cluster.deliveries[0]!;
    t.teardown(async () => void process.kill(frozen.pid, 'SIGCONT'));
    process.kill(frozen.pid, 'SIGSTOP');
    const visiting = visitSteadily(cluster.listen, '/', {
      count: 60,
      perSecond: 1000,
      timeoutMs: 120_000,
    });
    await cluster.untilStatus('it is dropped', ({ deliveries }) => deliveries[0]!.state === 'down');
    t.deepEqual(failed(await visiting), []);
    const { deliveries } = await cluster.status();
    t.is(deliveries[1]!.state, 'up');
    t.is(deliveries[1]!.taken, 60);
  },
);
