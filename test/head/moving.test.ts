/** Connections that deliveries give back, and that others go on with. */
import test from 'ava';
import { drainByMoving } from '../../infra/admin-client.ts';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { keepAliveMany } from '../support/kept.ts';
import { until } from '../support/until.ts';

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster(
    { teardown: (step) => undo.push(step) },
    ['--workers', '2'],
    ['d1', 'd2', 'd3'],
  );
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

const inUse = async (name: string): Promise<number> =>
  (await cluster.status()).deliveries.find((one) => one.name === name)!.inUse;

test.serial(
  'a drained delivery gives back what is between two requests, and others answer the next one',
  async (t) => {
    const clients = await keepAliveMany(cluster.listen, 30);
    const before = await Promise.all(clients.map((client) => client.who()));
    t.true(before.includes('d1'));
    t.true(await drainByMoving(cluster.admin, 'd1'));
    await until(
      'it has none',
      () => inUse('d1'),
      (count) => count === 0,
    );
    const after = await Promise.all(clients.map((client) => client.who()));
    t.false(after.includes('d1'));
    for (const [i, client] of clients.entries()) {
      if (before[i] !== 'd1') t.is(after[i], before[i], 'the others stay');
      t.is(client.unasked, '');
      t.is(client.ended, undefined);
    }
    const { givenBack } = await cluster.status();
    t.is(givenBack, before.filter((name) => name === 'd1').length);
    for (const { socket } of clients) socket.destroy();
    await cluster.drain('d1', false);
    await assertAllAccountedFor(t, cluster);
  },
);
