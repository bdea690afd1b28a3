import { once } from 'node:events';
import type { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { AdoptedSocket, adoptHandle } from '../../delivery/adopt.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd, peek } from '../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../shared/sys/unix-sockets.ts';
import { acceptedConnections } from '../support/accepted.ts';
import { until } from '../support/until.ts';

const adoptSocket = (fd: number, allowHalfOpen: boolean) =>
  new AdoptedSocket(adoptHandle(fd), { allowHalfOpen });

/** All that comes; the stream's own iterator would destroy both directions at the end of one. */
function text(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  return once(socket, 'end').then(() => Buffer.concat(parts).toString());
}

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

/** Somebody else has a copy of the fd, as a head has that is stopped. */
function copyOf(t: ExecutionContext, fd: number): void {
  const [from, to] = seqpacketPair();
  const messenger = createFdMessenger(1);
  messenger.fds[0] = fd;
  messenger.send(from, 1, 1);
  messenger.receive(to);
  for (const used of [from, to]) closeFd(used);
  const copy = messenger.fds[0]!;
  t.teardown(() => closeFd(copy));
}

for (const [how, end, told] of [
  ['destroyed', (socket: AdoptedSocket) => socket.destroy(), 'end'],
  [
    'destroyed with an error',
    (socket: AdoptedSocket) => socket.on('error', () => {}).destroy(new Error()),
    'end',
  ],
  ['reset', (socket: AdoptedSocket) => socket.resetAndDestroy(), 'ECONNRESET'],
] as const) {
  test.serial(`a client hears that its connection was ${how}, whoever has a copy of it`, async (t) => {
    const { client, fd } = await connection(t);
    copyOf(t, fd);
    const heard = new Promise((resolve) => {
      client.once('end', () => resolve('end'));
      client.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
    });
    client.resume();
    end(adoptSocket(fd, true));
    t.is(await heard, told);
  });
}

test.serial(
  'a connection that is destroyed with input unread is reset, whoever has a copy of it',
  async (t) => {
    const { client, fd } = await connection(t);
    copyOf(t, fd);
    client.write('question');
    const scratch = allocate(4096);
    await until(
      'the question',
      () => peek(fd, scratch, 0, 100),
      (n) => n === 8,
    );
    const failed = once(client, 'error');
    client.resume();
    adoptSocket(fd, true).destroy();
    t.is(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  },
);
