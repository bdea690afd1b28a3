/** Servers that their program closes as any other, whose receivers give back what they have: nothing idle is closed. */
import '../support/traced.ts';

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import type { Receiver } from '../../delivery/index.ts';
import { type Kept, keepAliveMany } from '../support/keep-alive.ts';
import { oneHead } from '../support/one-head.ts';
import { until } from '../support/until.ts';

const head = oneHead(test);
const COUNT = 20;

const serverOf = (name: string): Server =>
  createServer((_, response) => response.end(JSON.stringify({ delivery: name })));

interface Site {
  readonly server: Server;
  readonly receiver: Receiver;
  /** Idle connections, all of which it has. */
  readonly clients: readonly Kept[];
}

/** A server that gives back what it has when it leaves; `other`: which is there to get it. */
async function site(t: ExecutionContext, other: boolean): Promise<Site> {
  const feed = head.feeding(t);
  const server = serverOf('d1');
  const receiver = feed(server, { name: 'd1', move: true });
  await receiver.ready;
  const clients = await keepAliveMany(head.cluster.listen, COUNT);
  t.teardown(async () => {
    for (const { socket } of clients) socket.destroy();
  });
  for (const client of clients) t.is(await client.who(), 'd1');
  if (other) await feed(serverOf('d2'), { name: 'd2' }).ready;
  return { server, receiver, clients };
}

const untilEnded = (clients: readonly Kept[]) =>
  until(
    'each is ended',
    () => clients.map(({ ended }) => ended),
    (all) => all.every((how) => how === 'FIN'),
  );

for (const [how, leave] of [
  ['close()', ({ server }) => void server.close()],
  [
    'close(), behind its receiver',
    ({ server, receiver }) => {
      void receiver.close();
      server.close();
    },
  ],
  ['close() and closeIdleConnections()', ({ server }) => void server.close().closeIdleConnections()],
] as [string, (site: Site) => void][])
  test.serial(`what is idle goes on elsewhere when its server is closed: ${how}`, async (t) => {
    const of = await site(t, true);
    const closed = once(of.server, 'close');
    leave(of);
    await closed;
    for (const client of of.clients) {
      t.is(await client.who(), 'd2');
      t.is(client.unasked + (client.ended ?? ''), '');
    }
  });

test.serial('requests that come while it is closed are answered, each of them', async (t) => {
  const of = await site(t, true);
  let goesOn = true;
  const names = new Set<string>();
  const asking = of.clients.map(async (client) => {
    while (goesOn) names.add(await client.who());
  });
  const closed = once(of.server, 'close');
  of.server.close();
  await closed;
  goesOn = false;
  await Promise.all(asking);
  t.deepEqual([...names].sort(), ['d1', 'd2']);
  for (const { ended } of of.clients) t.is(ended, undefined);
});

test.serial('where nobody can have them they are closed in order, and its server is', async (t) => {
  const { server, clients } = await site(t, false);
  const closed = once(server, 'close');
  server.close();
  await closed;
  await untilEnded(clients);
});

test.serial('what came to the server itself, and what cannot move, is closed as ever', async (t) => {
  const feed = head.feeding(t);
  const server = serverOf('d1').listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await feed(server, { name: 'd1', move: true }).ready;
  await feed(serverOf('d2'), { name: 'd2' }).ready;
  const direct = await keepAliveMany(`127.0.0.1:${port}`, 3);
  for (const client of direct) t.is(await client.who(), 'd1');
  const closed = once(server, 'close');
  server.close();
  await closed;
  await untilEnded(direct);
  for (const { socket } of direct) socket.destroy();
  t.is(Object.hasOwn(server, 'closeIdleConnections'), false, 'its own method again');
});
