/** Every policy under a real head: who gets what. */
import test from 'ava';
import { execa } from 'execa';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { visit } from '../support/load.ts';
import { needing } from '../support/needs.ts';
import { open } from '../support/raw-client.ts';

const shares = async (cluster: Cluster): Promise<Record<string, number>> =>
  Object.fromEntries((await cluster.status()).deliveries.map(({ name, taken }) => [name, taken]));

/** Who served a visit of a path, one at a time. */
async function servers(cluster: Cluster, path: string, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(JSON.parse((await visit(cluster.listen, path)).body).delivery);
  return names;
}

test('round-robin: one after the other', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--policy', 'round-robin']);
  const names = await servers(cluster, '/whoami', 10);
  t.true(names.every((name, i) => i === 0 || name !== names[i - 1]));
});

test('weighted: in proportion to the weights', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--policy', 'weighted'], []);
  await cluster.addDelivery('light', '--weight', '1');
  await cluster.addDelivery('heavy', '--weight', '3');
  await servers(cluster, '/whoami', 20);
  t.deepEqual(await shares(cluster), { light: 5, heavy: 15 });
});

test('least-connections: whoever has less to do', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--policy', 'least-connections']);
  // It is never answered: however slow this machine is, it lasts as long as it is needed.
  const slow = await open(cluster.listen);
  slow.on('error', () => {}).write('GET /delay/60000 HTTP/1.1\r\nHost: x\r\n\r\n');
  const { deliveries } = await cluster.untilStatus('one is busy', (status) =>
    status.deliveries.some((d) => d.inUse === 1),
  );
  const busy = deliveries.find(({ inUse }) => inUse === 1)!.name;
  // Each of these has ended before the next one comes, and its end is known to the head.
  for (let i = 0; i < 5; i++) {
    const [name] = await servers(cluster, '/whoami', 1);
    t.not(name, busy);
    await cluster.untilStatus(
      'only the slow one is left',
      (status) => status.deliveries.reduce((n, d) => n + d.inUse, 0) === 1,
    );
  }
  slow.resetAndDestroy();
});

test('path-hash: the same path to the same delivery, on every worker, whatever the query', async (t) => {
  const cluster = await startCluster(t, ['--workers', '2', '--policy', 'path-hash'], ['a', 'b', 'c']);
  const first = await servers(cluster, '/whoami?x=1', 1);
  t.deepEqual(new Set(await servers(cluster, '/whoami?x=2', 8)), new Set(first));
  for (let i = 0; i < 60; i++) await visit(cluster.listen, `/bytes/${i}`);
  t.true(
    Object.values(await shares(cluster)).every((taken) => taken > 5),
    'other paths go elsewhere',
  );
  const home = first[0]!;
  await cluster.drain(home, true);
  t.not((await servers(cluster, '/whoami', 1))[0], home);
  await cluster.drain(home, false);
  t.is((await servers(cluster, '/whoami', 1))[0], home, 'and back');
});

needing('python3')('client-hash: the same client to the same delivery', async (t) => {
  const cluster = await startCluster(t, ['--workers', '2', '--policy', 'client-hash'], ['a', 'b']);
  t.is(new Set(await servers(cluster, '/whoami', 8)).size, 1);
  const script = `
import http.client, json, sys
seen = {}
for n in range(1, 31):
    for again in range(2):
        c = http.client.HTTPConnection(sys.argv[1], timeout=10, source_address=('127.0.1.%d' % n, 0))
        c.request('GET', '/whoami')
        seen.setdefault(n, set()).add(json.loads(c.getresponse().read())['delivery']); c.close()
print(max(len(s) for s in seen.values()), len(set.union(*seen.values())))
`;
  t.is((await execa('python3', ['-c', script, cluster.listen])).stdout, '1 2', 'one each, and both in use');
});
