import { once } from 'node:events';
import { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel, type TransferListItem } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { AdoptedSocket, adoptHandle } from '../../delivery/adopt.ts';
import { type Arrival, Connections, connectionInfo } from '../../delivery/connections.ts';
import { acceptedConnections } from '../support/accepted.ts';
import { until } from '../support/until.ts';

const arrival = (id: string): Arrival => ({ id, transport: 'fd', closed: () => true });

/** Sockets of as many connections, all counted. */
async function counted(t: ExecutionContext, connections: Connections, ids: readonly string[]) {
  const { fds } = await acceptedConnections(t, ids.length);
  connections.expect(ids.length);
  return ids.map((id, at) => {
    const handle = adoptHandle(fds[at]!);
    const socket = new AdoptedSocket(handle);
    t.teardown(() => socket.destroy());
    connections.add(socket, handle, arrival(id));
    return socket;
  });
}

test('each is counted from its arrival until its socket has closed, in whatever order they close', async (t) => {
  const closed: string[] = [];
  const connections = new Connections('d1', ({ id }) => closed.push(`${id} of ${connections.count + 1}`));
  const sockets = await counted(t, connections, ['a', 'b', 'c', 'd']);
  t.is(connections.count, 4);
  for (const index of [1, 3, 0]) {
    sockets[index]!.destroy();
    await once(sockets[index]!, 'close');
  }
  t.deepEqual(closed, ['b of 4', 'd of 3', 'a of 2']);
  connections.destroyAll();
  await once(sockets[2]!, 'close');
  t.is(closed.at(-1), 'c of 1');
  t.is(connections.count, 0);
});

test('one that is over keeps no handle alive, however long its socket lives', async (t) => {
  const connections = new Connections('d1', () => {});
  const [socket] = (await counted(t, connections, ['a'])) as [AdoptedSocket];
  const handle = new WeakRef(socket.adopted);
  socket.destroy();
  await once(socket, 'close');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await until(
    'it is collected',
    () => {
      collect();
      return handle.deref() === undefined;
    },
    (isCollected) => isCollected,
  );
  t.false(socket.ownsHandle);
  t.is(connectionInfo(socket)?.id, 'a');
});

test('an application can ask how a connection came, and whether it came from a head at all', async (t) => {
  const [ours] = await counted(t, new Connections('d1', () => {}), ['s-0-7']);
  t.deepEqual(connectionInfo(ours!), { id: 's-0-7', transport: 'fd', delivery: 'd1' });
  t.is(connectionInfo({}), undefined);
});

for (const [what, take] of [
  [
    'whose close nobody may hear',
    (socket: AdoptedSocket) => {
      socket.removeAllListeners('close');
      socket.emit = () => true;
      socket.destroy();
    },
  ],
  [
    'that is another socket now',
    (socket: AdoptedSocket) => {
      const { _handle: handle } = socket as unknown as { _handle: object | null };
      (socket as unknown as { _handle: object | null })._handle = null;
      new Socket({ handle } as object).destroy();
    },
  ],
  [
    'that was moved to another thread',
    (socket: AdoptedSocket) => {
      const { port1, port2 } = new MessageChannel();
      try {
        port1.postMessage(socket, [socket as unknown as TransferListItem]);
      } catch {
        // Node 22 cannot.
        socket.destroy();
      }
      port1.close();
      port2.close();
    },
  ],
] as const) {
  test(`a connection ${what} is not counted any more`, async (t) => {
    const closed: string[] = [];
    const connections = new Connections('d1', ({ id }) => closed.push(id));
    const [socket] = await counted(t, connections, ['a']);
    take(socket!);
    await until(
      'nothing is open',
      () => connections.count,
      (count) => count === 0,
    );
    t.deepEqual(closed, ['a']);
  });
}

test('what the application has taken from a socket is closed with all others', async (t) => {
  const connections = new Connections('d1', () => {});
  const [socket] = await counted(t, connections, ['a']);
  (socket as unknown as { _handle: object | null })._handle = null;
  connections.destroyAll();
  await until(
    'nothing is open',
    () => connections.count,
    (count) => count === 0,
  );
  t.pass();
});
