import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { AdoptedSocket, adoptHandle } from '../../delivery/adopt.ts';
import { acceptedConnections } from '../support/accepted.ts';

const adoptSocket = (fd: number, allowHalfOpen: boolean) =>
  new AdoptedSocket(adoptHandle(fd), { allowHalfOpen });

/** A client, and the fd of its connection. */
async function connection(t: ExecutionContext) {
  const { clients, fds } = await acceptedConnections(t, 1);
  return { client: clients[0]!, fd: fds[0]! };
}

// The first is made in another way than those after it.
test.serial(
  'adopted connections read, write, know their client and end, the first as the third',
  async (t) => {
    for (let i = 0; i < 3; i++) {
      const { client, fd } = await connection(t);
      const socket = adoptSocket(fd, true);
      t.is(socket.remoteAddress, '127.0.0.1');
      t.is(socket.remotePort, client.localPort!);
      client.end('question');
      t.is(await text(socket), 'question');
      socket.end('answer');
      t.is(await text(client), 'answer');
      if (!socket.destroyed) await once(socket, 'close');
    }
  },
);

test.serial(
  'a socket that is to be closed soon still sends all, and then the end and no reset',
  async (t) => {
    const { client, fd } = await connection(t);
    const socket = adoptSocket(fd, true);
    const sent = Buffer.alloc(5_000_000, 'abc');
    socket.write(sent);
    socket.destroySoon();
    t.is(await text(client), sent.toString());
    if (!socket.destroyed) await once(socket, 'close');
  },
);

test.serial('a socket that ends its side goes on reading', async (t) => {
  const { client, fd } = await connection(t);
  const socket = adoptSocket(fd, true);
  client.allowHalfOpen = true;
  socket.end('answer');
  t.is(await text(client), 'answer');
  client.end('late question');
  t.is(await text(socket), 'late question');
});

test.serial('what is no open fd cannot be adopted', async (t) => {
  const { fd } = await connection(t);
  adoptSocket(fd, false).destroy();
  t.throws(() => adoptSocket(1_000_000, false));
});
