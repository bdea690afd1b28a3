/** What is counted of connections adds up whenever somebody looks, not only at rest. */
import test from 'ava';
import { getMetrics } from '../../infra/admin-client.ts';
import type { HeadStatus } from '../../shared/status.ts';
import { startCluster } from '../support/cluster.ts';
import { failed, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';

const sumOf = ({ outcomes, inspectionFailures }: HeadStatus): number =>
  [...Object.values(outcomes), inspectionFailures]
    .flatMap((counts) => Object.values(counts))
    .reduce((sum, count) => sum + count, 0);

test.serial(
  'accepted = open + the sum of all outcomes at every look, while answers linger as well',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '2', '--mode', 'redirect'], ['d1']);
    const lingering = await open(cluster.listen);
    lingering.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const before = await cluster.untilStatus('it lingers', (status) => status.lingering === 1);
    t.is(before.open, 0);
    let done = false;
    const visits = visitSteadily(cluster.listen, '/bytes/10', {
      count: 600,
      perSecond: 300,
      timeoutMs: 60_000,
    });
    void visits.then(() => {
      done = true;
    });
    for (let looks = 0; !done; looks++) {
      await cluster.setMode(looks % 2 === 0 ? 'handoff' : 'redirect');
      const status = await cluster.status();
      t.is(status.accepted, status.open + sumOf(status));
      const metrics = new Map(
        (await getMetrics(cluster.admin)).split('\n').map((line) => line.split(' ') as [string, string]),
      );
      const of = (start: string): number =>
        [...metrics].reduce((sum, [name, value]) => (name.startsWith(start) ? sum + Number(value) : sum), 0);
      const outcomes = of('baton_connections_total{') + of('baton_inspection_failures_total{');
      t.is(of('baton_connections_accepted_total'), of('baton_connections_open') + outcomes);
    }
    t.deepEqual(failed(await visits), []);
    lingering.destroy();
  },
);
