/** `baton visit --find` on a real delivery with one slot, whose limit is known. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { baton } from '../../../../infra/lab/service.ts';
import { capacitySchema } from '../../../../infra/visits/find/report.ts';
import { startCluster } from '../../../support/cluster.ts';

const app = fileURLToPath(new URL('../../../support/one-slot-app.ts', import.meta.url));
const visit = (...args: string[]) =>
  execa(baton[0]!, [...baton.slice(1), 'visit', ...args], { reject: false });

test('the limit of a delivery with one slot of 10 ms is found within 5 %', async (t) => {
  t.timeout(200_000);
  const cluster = await startCluster(t, [], []);
  const { direct } = await cluster.addDelivery('d1', '--app', app);
  const flags = ['--find', 'p99<50ms', '--duration', '2', '--find-within', '3m', '--json', '-'];
  const { exitCode, stdout, stderr } = await visit(`http://${direct}/10000`, '--rate', '40', ...flags);
  t.is(exitCode, 0, stderr);
  const capacity = capacitySchema.parse(JSON.parse(stdout));
  t.log(capacity.answer);
  t.is(capacity.outcome, 'found');
  t.true(Math.abs(capacity.rate - 100) < 5, capacity.answer);
  t.true(capacity.low <= capacity.rate && capacity.rate < (capacity.high ?? Number.POSITIVE_INFINITY));
  t.true(capacity.result!.succeeded > 0);
});
