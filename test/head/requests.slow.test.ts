/** Distribution by request: the next request of a connection goes to the delivery that the policy chooses for it. */
import { once } from 'node:events';
import test from 'ava';
import { drainByMoving } from '../../infra/admin-client.ts';
import { assertAllAccountedFor } from '../support/accounted.ts';
import { answers, byRequest, over, paths, request, said } from '../support/by-request.ts';
import { keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { until } from '../support/until.ts';

const site = byRequest(test);
const { ownerOf, two, on, whose } = site;

whose('each request of a connection is answered where its path belongs', async (t) => {
  t.is(new Set(paths.map(ownerOf)).size, 3);
  const before = await site.cluster.status();
  const clients = await keepAliveMany(site.cluster.listen, 12);
  await Promise.all(
    clients.map(async (client, i) => {
      for (let n = 0; n < 60; n++) {
        const path = paths[(i * 7 + n * 5) % paths.length]!;
        const body = n % 3 === 0 ? undefined : `${i}-${n}-`.repeat(1 + (n % 20) * 100);
        const answer = said(await client.ask(`${path}?${n}`, body));
        t.is(answer.pid, ownerOf(path), path);
        t.is(answer.url, `${path}?${n}`);
        t.is(answer.body, body ?? '');
      }
    }),
  );
  for (const { unasked, ended, socket } of clients) {
    t.is(unasked + (ended ?? ''), '');
    socket.destroy();
  }
  const { givenBack } = await site.cluster.status();
  t.true(givenBack - before.givenBack > 300, `${givenBack}`);
  await assertAllAccountedFor(t, site.cluster);
});

whose('a request that comes byte by byte is answered where it has begun', async (t) => {
  const [here, there] = two();
  const client = await on(here);
  for (const byte of request(there)) {
    client.socket.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.deepEqual(
    (await answers(client, 1)).map(({ pid, url }) => [pid, url]),
    [[ownerOf(here), there]],
  );
  over(client);
  // And the next one is looked at again.
  const other = await on(here);
  for (const byte of request(here)) other.socket.write(byte);
  await answers(other, 1);
  other.socket.write(request(there));
  t.is((await answers(other, 2))[1]!.pid, ownerOf(there));
  over(other);
});

whose('a request of which the line has come goes with that, and the rest comes after it', async (t) => {
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
  t.is(answer!.pid, ownerOf(there));
  t.is(answer!.body, body);
  over(client);
});

whose('requests that are pipelined are answered in order where the first of them belongs', async (t) => {
  const [here, there] = two();
  for (const [first, second] of [
    [here, there],
    [there, here],
  ] as const) {
    const client = await on(here);
    client.socket.write(request(first) + request(second) + request(`/slow${second}`));
    t.deepEqual(
      (await answers(client, 3)).map(({ pid, url }) => [pid, url]),
      [first, second, `/slow${second}`].map((path) => [ownerOf(first), path]),
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
  t.is((await answers(client, 3))[2]!.pid, ownerOf(there));
  over(client);
});

whose(
  'a head that is longer than what is looked at, HTTP/1.0 and Expect: 100-continue go as others do',
  async (t) => {
    const [here, there] = two();
    const client = await on(here);
    client.socket.write(request(there, `Cookie: ${'c'.repeat(9000)}`));
    t.is((await answers(client, 1))[0]!.pid, ownerOf(there));
    client.socket.write(request(there, `Cookie: ${'c'.repeat(9000)}`));
    t.is((await answers(client, 2))[1]!.pid, ownerOf(there));
    client.socket.write(`GET ${here} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
    const [, , old] = await answers(client, 3);
    t.deepEqual([old!.pid, old!.url], [ownerOf(here), here]);
    client.socket.write(request(there, 'Content-Length: 4', 'Expect: 100-continue'));
    await until(
      'it may go on',
      () => client.unasked,
      (all) => all.includes('100 Continue'),
    );
    client.socket.write('body');
    const [, , , expecting] = await answers(client, 4);
    t.deepEqual([expecting!.pid, expecting!.body], [ownerOf(there), 'body']);
    t.is(client.ended, undefined);
    over(client);
  },
);

whose('what shows no path, and what is no request, is for the server that has the connection', async (t) => {
  const [here] = two();
  const client = await on(here);
  client.socket.write('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
  t.is((await answers(client, 1))[0]!.pid, ownerOf(here));
  client.socket.write('\0 nonsense\r\n\r\n');
  const text = await until(
    'an answer',
    () => client.unasked,
    (all) => all.includes('400 Bad Request'),
  );
  t.regex(text, /400 Bad Request/);
  over(client);
});

test.serial('clients that go at any moment cost nobody else anything', async (t) => {
  const [here, there] = two();
  const before = await site.cluster.status();
  const clients = await Promise.all(Array.from({ length: 60 }, () => on(here)));
  for (const [i, { socket }] of clients.entries()) {
    if (i % 6 < 4) socket.write(request(i % 2 ? there : here));
    if (i % 6 === 4) socket.write('GET ');
    if (i % 3 === 0) socket.resetAndDestroy();
    else if (i % 3 === 1) socket.destroy();
    else socket.end();
  }
  const status = await site.cluster.untilStatus('they have gone', ({ open, deliveries }) => {
    return open === 0 && deliveries.every(({ inUse }) => inUse === 0);
  });
  t.true(status.accepted >= before.accepted + 60);
  await assertAllAccountedFor(t, site.cluster);
});

test.serial(
  'deliveries that are drained by moving while requests go meet no request twice and lose none',
  async (t) => {
    t.timeout(60_000);
    const clients = await keepAliveMany(site.cluster.listen, 16);
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
      await drainByMoving(site.cluster.admin, name);
      await site.cluster.untilStatus('it has none', ({ deliveries }) =>
        deliveries.some((each) => each.name === name && each.inUse === 0),
      );
      await until(
        'others are asked',
        () => asked,
        (count) => count > soFar + 100,
      );
      await site.cluster.drain(name, false);
    }
    goesOn = false;
    await Promise.all(asking);
    for (const { unasked, ended, socket } of clients) {
      t.is(unasked + (ended ?? ''), '');
      socket.destroy();
    }
    await assertAllAccountedFor(t, site.cluster);
  },
);

test.serial(
  'a connection that is upgraded with the request that goes is the WebSocket of whoever has it then',
  async (t) => {
    for (const name of ['w1', 'w2']) await site.cluster.addDelivery(name);
    for (const name of ['d1', 'd2', 'd3']) await site.cluster.drain(name, true);
    const seen = new Set<string>();
    for (let n = 0; n < 12; n++) {
      const client = await keepAlive(site.cluster.listen);
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
    for (const name of ['d1', 'd2', 'd3']) await site.cluster.drain(name, false);
    await site.cluster.untilStatus('they have gone', ({ deliveries }) =>
      deliveries.every(({ inUse }) => inUse === 0),
    );
    await assertAllAccountedFor(t, site.cluster);
  },
);
