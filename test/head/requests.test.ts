/** Distribution by request: the next request of a connection goes to the delivery that the policy chooses for it. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Answer, keepAlive, keepAliveMany } from '../support/keep-alive.ts';

const app = fileURLToPath(new URL('../support/requests-app.ts', import.meta.url));

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster(
    { teardown: (step) => undo.push(step) },
    ['--workers', '2', '--policy', 'path-hash', '--distribute', 'requests'],
    [],
  );
  for (const name of ['d1', 'd2', 'd3']) await cluster.addDelivery(name, '--app', app);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

interface Said {
  readonly pid: number;
  readonly method: string;
  readonly url: string;
  readonly body: string;
}
const said = ({ body }: Answer): Said => JSON.parse(body) as Said;

const paths = Array.from({ length: 24 }, (_, i) => `/page/${i}`);

/** Where each path belongs, by connections that are new. */
async function owners(): Promise<Map<string, number>> {
  const all = new Map<string, number>();
  for (const path of paths) {
    const client = await keepAlive(cluster.listen);
    all.set(path, said(await client.ask(path)).pid);
    client.socket.destroy();
  }
  return all;
}

test.serial('each request of a connection is answered where its path belongs', async (t) => {
  const owner = await owners();
  t.is(new Set(owner.values()).size, 3);
  const before = await cluster.status();
  const clients = await keepAliveMany(cluster.listen, 12);
  await Promise.all(
    clients.map(async (client, i) => {
      for (let n = 0; n < 60; n++) {
        const path = paths[(i * 7 + n * 5) % paths.length]!;
        const body = n % 3 === 0 ? undefined : `${i}-${n}-`.repeat(1 + (n % 20) * 100);
        const answer = said(await client.ask(`${path}?${n}`, body));
        t.is(answer.pid, owner.get(path)!, path);
        t.is(answer.url, `${path}?${n}`);
        t.is(answer.body, body ?? '');
      }
    }),
  );
  for (const { unasked, ended, socket } of clients) {
    t.is(unasked + (ended ?? ''), '');
    socket.destroy();
  }
  const { givenBack } = await cluster.status();
  t.true(givenBack - before.givenBack > 300, `${givenBack}`);
  await assertAllAccountedFor(t, cluster);
});
