/** Distribution by request under policies that do not look at the path alone, and by connections after that and before. */
import test from 'ava';
import { reload } from '../../infra/admin-client.ts';
import { byRequest, over, paths, said } from '../support/by-request.ts';
import { type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { until } from '../support/until.ts';

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
  await until(
    'it stays',
    async () => said(await client.ask(there)).pid === said(await client.ask(here)).pid,
    (stays) => stays,
  );
  const { givenBack } = await site.cluster.status();
  for (let n = 0; n < 20; n++) await client.ask(paths[n]!);
  t.is((await site.cluster.status()).givenBack, givenBack);
  configure({ policy: 'path-hash', distribute: 'requests' });
  await reload(site.cluster.admin);
  await until(
    'it goes again, and its connection was idle meanwhile',
    async () =>
      said(await client.ask(there)).pid === ownerOf(there) &&
      said(await client.ask(here)).pid === ownerOf(here),
    (goes) => goes,
  );
  over(client);
});

whose(
  'under LARD a path is answered where it was answered before, by connections and by requests alike',
  async (t) => {
    configure({ policy: 'lard', distribute: 'requests' });
    await reload(site.cluster.admin);
    const clients = await keepAliveMany(site.cluster.listen, 6);
    const first = new Map<string, number>();
    for (const path of paths) first.set(path, said(await clients[0]!.ask(path)).pid);
    t.is(new Set(first.values()).size, 3);
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
