/** Connections that are upgraded under chaos: an application that a module is (`--app`) has them, and others go on with them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { program } from '../../../infra/chaos/labs.ts';
import { livesOf } from '../../../infra/chaos/plans.ts';
import { now, readRecords } from '../../../infra/chaos/records.ts';
import { Talk } from '../../../infra/chaos/talk.ts';
import { seededRandom } from '../../../infra/statistics/random.ts';
import { startCluster } from '../../support/cluster.ts';
import { until } from '../../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'baton-upgraded-'));
process.env.CHAOS_FOLDER = folder;
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

let requests = 0;

/** A client of the kind that a run has. */
function client(address: string, how: 'moves' | 'stays') {
  const talk = new Talk(address);
  const { make } = livesOf(seededRandom(1)).find(({ upgraded }) => upgraded === how)!;
  return {
    talk,
    async ask() {
      const isFirst = talk.next().turn === 0;
      const plan = make(`${how}-${++requests}`, isFirst);
      const got = await talk.ask(plan, now() + 10_000);
      return { ...got, isRight: got.id === plan.id && got.heard === plan.heard };
    },
  };
}

test('an application of --app gives upgraded connections back with what it has heard, keeps those that stay, and takes leave of these', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1'], []);
  const app = program('app');
  const all = [];
  for (const name of ['d1', 'd2']) all.push(await cluster.addDelivery(name, '--app', app));
  const clients = (['moves', 'stays'] as const).flatMap((how) =>
    Array.from({ length: 6 }, () => client(cluster.listen, how)),
  );
  t.teardown(() => clients.map(({ talk }) => talk.close()));
  const askAll = async () => {
    const got = await Promise.all(clients.map(({ ask }) => ask()));
    t.true(
      got.every(({ isRight }) => isRight),
      JSON.stringify(got),
    );
    return got.map(({ by }) => by);
  };
  await askAll();
  const before = await askAll();
  const [d1, d2] = all.map(({ pid }) => pid);
  t.true(before.slice(0, 6).includes(d1), 'one can move');
  t.true(before.slice(6).includes(d1), 'one has to stay');
  t.true(await drainByMoving(cluster.admin, 'd1'));
  const staying = before.slice(6).filter((pid) => pid === d1).length;
  await until(
    'what can move has',
    () => cluster.status(),
    ({ deliveries }) => deliveries.find(({ name }) => name === 'd1')!.inUse === staying,
  );
  const after = await askAll();
  t.deepEqual(after, [...Array.from({ length: 6 }, () => d2), ...before.slice(6)]);
  const { served } = readRecords(folder);
  t.is(new Set(served.map(({ id }) => id)).size, served.length, 'nothing is served twice');
  t.deepEqual(
    served.filter(({ id }) => id === `stays-${requests}`).map(({ name }) => name),
    [before.at(-1) === d1 ? 'd1' : 'd2'],
  );
  t.true(readdirSync(folder).length === 2 && readFileSync(join(folder, `${d1}.served`)).length > 0);
  process.kill(d1!, 'SIGTERM');
  await until(
    'those that stay were told to go',
    () => clients.filter(({ talk }) => !talk.isUsable).length,
    (count) => count === staying,
  );
});
