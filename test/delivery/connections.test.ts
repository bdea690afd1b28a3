import { once } from 'node:events';
import { Socket } from 'node:net';
import test from 'ava';
import { type Arrival, Connections, connectionInfo } from '../../delivery/connections.ts';

const arrival = (id: string): Arrival => ({ id, transport: 'fd', closed: () => true });

test('each is counted from its arrival until its socket has closed, in whatever order they close', async (t) => {
  const closed: string[] = [];
  const connections = new Connections('d1', ({ id }) => closed.push(`${id} of ${connections.count + 1}`));
  const sockets = ['a', 'b', 'c', 'd'].map((id) => {
    const socket = new Socket();
    connections.add(socket, arrival(id));
    return socket;
  });
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

test('an application can ask how a connection came, and whether it came from a head at all', (t) => {
  const connections = new Connections('d1', () => {});
  const [ours, other] = [new Socket(), new Socket()];
  connections.add(ours, arrival('s-0-7'));
  t.deepEqual(connectionInfo(ours), { id: 's-0-7', transport: 'fd', delivery: 'd1' });
  t.is(connectionInfo(other), undefined);
  ours.destroy();
});
