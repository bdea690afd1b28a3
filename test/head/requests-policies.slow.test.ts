/** Distribution by request under policies that do not look at the path alone, and by connections after that and before. */
import test from 'ava';
import { getMetrics, reload } from '../../infra/admin-client.ts';
import { byRequest, over, paths, said } from '../support/by-request.ts';
import { type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';

const site = byRequest(test);
const { configure, ownerOf, two, on, whose } = site;

/** How often each delivery answers so many requests on each of these. */
async function sharesOf(clients: readonly Kept[], count: number): Promise<Map<number, number>> {
  const shares = new Map<number, number>();
  await Promise.all(
    clients.map(async (client) => {
      for (let n = 0; n < count; n++) {
        const { pid } = said(await client.ask(paths[n % paths.length]!));
        shares.set(pid, (shares.get(pid) ?? 0) + 1);
      }
    }),
  );
  return shares;
}

test.serial('by turns every delivery answers as many, however the connections are spread', async (t) => {
  configure({ policy: 'round-robin', distribute: 'requests' });
  t.deepEqual((await reload(site.cluster.admin)).changed, ['--policy']);
  const clients = await keepAliveMany(site.cluster.listen, 4);
  await sharesOf(clients, 20);
  const shares = [...(await sharesOf(clients, 150)).values()];
  t.is(shares.length, 3);
  for (const share of shares) t.true(share > 140 && share < 260, `${shares}`);
  clients.forEach(over);
});

test.serial('by connections nothing moves, from the moment when that is said', async (t) => {
  configure({ policy: 'path-hash' });
  t.deepEqual((await reload(site.cluster.admin)).changed.toSorted(), ['--distribute', '--policy']);
  const [here, there] = two();
  const client = await on(here);
  await site.untilStays(client);
  const { givenBack } = await site.cluster.status();
  for (let n = 0; n < 20; n++) await client.ask(paths[n]!);
  t.is((await site.cluster.status()).givenBack, givenBack);
  configure({ policy: 'path-hash', distribute: 'requests' });
  await reload(site.cluster.admin);
  await site.untilAllGive();
  // Its connection was idle meanwhile.
  t.is(said(await client.ask(there)).pid, ownerOf(there));
  t.is(said(await client.ask(here)).pid, ownerOf(here));
  over(client);
});

whose(
  'under LARD a path is answered where it was answered before, by connections and by requests alike',
  async (t) => {
    configure({ policy: 'lard', distribute: 'requests' });
    await reload(site.cluster.admin);
    const first = new Map<string, number>();
    for (const path of paths) {
      const client = await keepAlive(site.cluster.listen);
      first.set(path, said(await client.ask(path)).pid);
      over(client);
    }
    t.is(new Set(first.values()).size, 3);
    await site.untilAllGive((path) => first.get(path)!);
    const clients = await keepAliveMany(site.cluster.listen, 6);
    for (const [i, client] of clients.entries())
      for (let n = 0; n < 30; n++) {
        const path = paths[(i + n * 5) % paths.length]!;
        t.is(said(await client.ask(path)).pid, first.get(path)!, path);
      }
    clients.forEach(over);
    for (const path of paths) {
      const client = await keepAlive(site.cluster.listen);
      t.is(said(await client.ask(path)).pid, first.get(path)!);
      over(client);
    }
    configure({ policy: 'least-connections', distribute: 'requests' });
    await reload(site.cluster.admin);
    const few = await keepAliveMany(site.cluster.listen, 3);
    t.is(
      [...(await sharesOf(few, 30)).values()].reduce((sum, count) => sum + count),
      90,
    );
    for (const { unasked, ended } of few) t.is(unasked + (ended ?? ''), '');
    few.forEach(over);
    configure({ policy: 'path-hash', distribute: 'requests' });
    await reload(site.cluster.admin);
  },
);

test.serial(
  'status and metrics tell how requests are distributed, and what became of those that were asked about',
  async (t) => {
    const { admin, status } = site.cluster;
    await site.untilAllGive();
    const first = await status();
    t.deepEqual([first.distribute, first.distributesBy], ['requests', 'hash']);
    t.true(first.deliveries.every(({ looks }) => looks));
    const [here, there] = two();
    const client = await on(here);
    for (let n = 0; n < 10; n++) {
      await client.ask(there);
      await client.ask(here);
    }
    const then = await status();
    t.true(then.nextRequests.moved - first.nextRequests.moved >= 20, JSON.stringify(then.nextRequests));
    t.true(then.givenBack >= then.nextRequests.moved);
    const text = await getMetrics(admin);
    t.true(text.includes(`baton_next_requests_total{answer="moved"} ${then.nextRequests.moved}\n`), text);
    t.true(text.includes('baton_distribute{what="requests"} 1\n'));
    configure({ policy: 'least-connections' });
    await reload(admin);
    t.deepEqual([(await status()).distribute, (await status()).distributesBy], ['connections', null]);
    t.true((await getMetrics(admin)).includes('baton_distribute{what="connections"} 1\n'));
    configure({ policy: 'path-hash', distribute: 'requests' });
    await reload(admin);
    over(client);
  },
);
