/** Distribution by request: the next request of a connection goes to the delivery that the policy chooses for it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { drainByMoving, reload } from '../../infra/admin-client.ts';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Answer, type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { until } from '../support/until.ts';

const app = fileURLToPath(new URL('../support/requests-app.ts', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'baton-requests-'));
const config = join(folder, 'head.json');
const configure = (settings: object) => writeFileSync(config, JSON.stringify(settings));

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  configure({ policy: 'path-hash', distribute: 'requests' });
  cluster = await startCluster(
    { teardown: (step) => undo.push(step) },
    ['--workers', '2', '--config', config],
    [],
  );
  for (const name of ['d1', 'd2', 'd3']) await cluster.addDelivery(name, '--app', app);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
  rmSync(folder, { recursive: true });
});

interface Said {
  readonly pid: number;
  readonly method: string;
  readonly url: string;
  readonly body: string;
}
const said = ({ body }: Answer): Said => JSON.parse(body) as Said;

const paths = Array.from({ length: 24 }, (_, i) => `/page/${i}`);

let owner: Map<string, number>;

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
  owner = await owners();
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

/** Paths of two deliveries. */
function two(): [string, string] {
  const [first] = paths;
  return [first!, paths.find((path) => owner.get(path) !== owner.get(first!))!];
}

/** A connection that the owner of `path` has. */
async function on(path: string): Promise<Kept> {
  const client = await keepAlive(cluster.listen);
  if (said(await client.ask(path)).pid !== owner.get(path))
    throw new Error('it is not where its path belongs');
  return client;
}

/** The next `count` answers to what was written by hand. */
async function answers(client: Kept, count: number): Promise<Said[]> {
  const text = await until(
    `${count} answers`,
    () => client.unasked,
    (all) => all.split('"}').length > count,
  );
  return [...text.matchAll(/\{"pid".*?"\}/g)].map(([json]) => JSON.parse(json) as Said);
}

const request = (path: string, ...fields: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: a', ...fields, '\r\n'].join('\r\n');

const over = ({ socket }: Kept): void => void socket.destroy();

test.serial('a request that comes byte by byte is answered where it has begun', async (t) => {
  const [here, there] = two();
  const client = await on(here);
  for (const byte of request(there)) {
    client.socket.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.deepEqual(
    (await answers(client, 1)).map(({ pid, url }) => [pid, url]),
    [[owner.get(here), there]],
  );
  over(client);
  // And the next one is looked at again.
  const other = await on(here);
  for (const byte of request(here)) other.socket.write(byte);
  await answers(other, 1);
  other.socket.write(request(there));
  t.is((await answers(other, 2))[1]!.pid, owner.get(there)!);
  over(other);
});

test.serial('a request of which the line has come goes with that, and the rest comes after it', async (t) => {
  const [here, there] = two();
  const client = await on(here);
  const body = 'x'.repeat(200_000);
  const text = `POST ${there}?a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  for (const [from, to] of [
    [0, 40],
    [40, 90],
    [90, 150_000],
    [150_000, text.length],
  ] as const) {
    client.socket.write(text.slice(from, to));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [answer] = await answers(client, 1);
  t.is(answer!.pid, owner.get(there)!);
  t.is(answer!.body, body);
  over(client);
});

test.serial(
  'requests that are pipelined are answered in order where the first of them belongs',
  async (t) => {
    const [here, there] = two();
    for (const [first, second] of [
      [here, there],
      [there, here],
    ] as const) {
      const client = await on(here);
      client.socket.write(request(first) + request(second) + request(`/slow${second}`));
      t.deepEqual(
        (await answers(client, 3)).map(({ pid, url }) => [pid, url]),
        [first, second, `/slow${second}`].map((path) => [owner.get(first), path]),
      );
      over(client);
    }
    // One that comes while the one before it is being answered.
    const client = await on(here);
    client.socket.write(request(`/slow${here}`));
    await until(
      'a part of the answer',
      () => client.unasked,
      (all) => all.includes('{"pid'),
    );
    const slow = client.unasked.length;
    client.socket.write(request(there));
    await answers(client, 2);
    t.true(client.unasked.length > slow);
    // And then the next is looked at again.
    client.socket.write(request(there));
    t.is((await answers(client, 3))[2]!.pid, owner.get(there)!);
    over(client);
  },
);

test.serial(
  'a head that is longer than what is looked at, HTTP/1.0 and Expect: 100-continue go as others do',
  async (t) => {
    const [here, there] = two();
    const client = await on(here);
    client.socket.write(request(there, `Cookie: ${'c'.repeat(9000)}`));
    t.is((await answers(client, 1))[0]!.pid, owner.get(there)!);
    client.socket.write(request(there, `Cookie: ${'c'.repeat(9000)}`));
    t.is((await answers(client, 2))[1]!.pid, owner.get(there)!);
    client.socket.write(`GET ${here} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
    const [, , old] = await answers(client, 3);
    t.deepEqual([old!.pid, old!.url], [owner.get(here), here]);
    client.socket.write(request(there, 'Content-Length: 4', 'Expect: 100-continue'));
    await until(
      'it may go on',
      () => client.unasked,
      (all) => all.includes('100 Continue'),
    );
    client.socket.write('body');
    const [, , , expecting] = await answers(client, 4);
    t.deepEqual([expecting!.pid, expecting!.body], [owner.get(there), 'body']);
    t.is(client.ended, undefined);
    over(client);
  },
);

test.serial(
  'what shows no path, and what is no request, is for the server that has the connection',
  async (t) => {
    const [here] = two();
    const client = await on(here);
    client.socket.write('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
    t.is((await answers(client, 1))[0]!.pid, owner.get(here)!);
    client.socket.write('\0 nonsense\r\n\r\n');
    const text = await until(
      'an answer',
      () => client.unasked,
      (all) => all.includes('400 Bad Request'),
    );
    t.regex(text, /400 Bad Request/);
    over(client);
  },
);

test.serial('clients that go at any moment cost nobody else anything', async (t) => {
  const [here, there] = two();
  const before = await cluster.status();
  const clients = await Promise.all(Array.from({ length: 60 }, () => on(here)));
  for (const [i, { socket }] of clients.entries()) {
    if (i % 6 < 4) socket.write(request(i % 2 ? there : here));
    if (i % 6 === 4) socket.write('GET ');
    if (i % 3 === 0) socket.resetAndDestroy();
    else if (i % 3 === 1) socket.destroy();
    else socket.end();
  }
  const status = await cluster.untilStatus('they have gone', ({ open, deliveries }) => {
    return open === 0 && deliveries.every(({ inUse }) => inUse === 0);
  });
  t.true(status.accepted >= before.accepted + 60);
  await assertAllAccountedFor(t, cluster);
});

test.serial(
  'deliveries that are drained by moving while requests go meet no request twice and lose none',
  async (t) => {
    t.timeout(60_000);
    const clients = await keepAliveMany(cluster.listen, 16);
    let goesOn = true;
    let asked = 0;
    const asking = clients.map(async (client, i) => {
      for (let n = 0; goesOn; n++) {
        const path = `${paths[(i + n * 7) % paths.length]}?${i}-${n}`;
        const body = n % 4 === 0 ? `${i}-${n}-`.repeat(n % 900) : undefined;
        const answer = said(await client.ask(path, body));
        t.is(answer.url, path);
        t.is(answer.body, body ?? '');
        asked++;
      }
    });
    for (const name of ['d1', 'd2', 'd3']) {
      const soFar = asked;
      await drainByMoving(cluster.admin, name);
      await cluster.untilStatus('it has none', ({ deliveries }) =>
        deliveries.some((each) => each.name === name && each.inUse === 0),
      );
      await until(
        'others are asked',
        () => asked,
        (count) => count > soFar + 100,
      );
      await cluster.drain(name, false);
    }
    goesOn = false;
    await Promise.all(asking);
    for (const { unasked, ended, socket } of clients) {
      t.is(unasked + (ended ?? ''), '');
      socket.destroy();
    }
    await assertAllAccountedFor(t, cluster);
  },
);

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
  t.deepEqual((await reload(cluster.admin)).changed, ['--policy']);
  const clients = await keepAliveMany(cluster.listen, 4);
  await sharesOf(clients, 20);
  const shares = [...(await sharesOf(clients, 150)).values()];
  t.is(shares.length, 3);
  for (const share of shares) t.true(share > 140 && share < 260, `${shares}`);
  clients.forEach(over);
});

test.serial('by connections nothing moves, from the moment when that is said', async (t) => {
  configure({ policy: 'path-hash' });
  t.deepEqual((await reload(cluster.admin)).changed.toSorted(), ['--distribute', '--policy']);
  const [here, there] = two();
  const client = await on(here);
  await until(
    'it stays',
    async () => said(await client.ask(there)).pid === said(await client.ask(here)).pid,
    (stays) => stays,
  );
  const { givenBack } = await cluster.status();
  for (let n = 0; n < 20; n++) await client.ask(paths[n]!);
  t.is((await cluster.status()).givenBack, givenBack);
  configure({ policy: 'path-hash', distribute: 'requests' });
  await reload(cluster.admin);
  await until(
    'it goes again, and its connection was idle meanwhile',
    async () =>
      said(await client.ask(there)).pid === owner.get(there) &&
      said(await client.ask(here)).pid === owner.get(here),
    (goes) => goes,
  );
  over(client);
});

test.serial(
  'under LARD a path is answered where it was answered before, by connections and by requests alike',
  async (t) => {
    configure({ policy: 'lard', distribute: 'requests' });
    await reload(cluster.admin);
    const clients = await keepAliveMany(cluster.listen, 6);
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
      const client = await keepAlive(cluster.listen);
      t.is(said(await client.ask(path)).pid, first.get(path)!);
      over(client);
    }
    configure({ policy: 'least-connections', distribute: 'requests' });
    await reload(cluster.admin);
    const few = await keepAliveMany(cluster.listen, 3);
    t.is(
      [...(await sharesOf(few, 30)).values()].reduce((sum, count) => sum + count),
      90,
    );
    for (const { unasked, ended } of few) t.is(unasked + (ended ?? ''), '');
    few.forEach(over);
    configure({ policy: 'path-hash', distribute: 'requests' });
    await reload(cluster.admin);
  },
);

test.serial(
  'a connection that is upgraded with the request that goes is the WebSocket of whoever has it then',
  async (t) => {
    for (const name of ['w1', 'w2']) await cluster.addDelivery(name);
    for (const name of ['d1', 'd2', 'd3']) await cluster.drain(name, true);
    const seen = new Set<string>();
    for (let n = 0; n < 12; n++) {
      const client = await keepAlive(cluster.listen);
      seen.add(await client.who());
      client.socket.write(
        request(
          `/ws/${n}`,
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        ),
      );
      await until(
        'it is upgraded',
        () => client.unasked,
        (all) => all.includes('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'),
      );
      // "hi", masked by zeros.
      const before = client.unasked.length;
      client.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
      await until(
        'it comes back',
        () => client.unasked.length,
        (length) => length > before,
      );
      t.true(client.unasked.endsWith('hi'));
      client.socket.destroy();
      await once(client.socket, 'close');
    }
    t.true(seen.size >= 1);
    for (const name of ['d1', 'd2', 'd3']) await cluster.drain(name, false);
    await cluster.untilStatus('they have gone', ({ deliveries }) =>
      deliveries.every(({ inUse }) => inUse === 0),
    );
    await assertAllAccountedFor(t, cluster);
  },
);
