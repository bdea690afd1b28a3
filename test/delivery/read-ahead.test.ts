import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { AdoptedSocket, adoptHandle } from '../../delivery/adopt.ts';
import { ReadAhead } from '../../delivery/read-ahead.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { peek } from '../../shared/sys/sockets.ts';
import { acceptedConnections } from '../support/accepted.ts';
import { until } from '../support/until.ts';

const scratch = allocate(65_536);

const arrived = (fd: number, bytes: number) =>
  until(
    'what was sent',
    () => peek(fd, scratch, 0, 65_536),
    (n) => n === bytes,
  );

/** Adopts them; `use` is the listener that a server would have. */
function adoptAll(
  t: ExecutionContext,
  fds: readonly number[],
  use: (socket: AdoptedSocket, index: number) => void,
) {
  const readAhead = new ReadAhead();
  t.teardown(() => readAhead.end());
  readAhead.read(fds, (fd, input, index) => {
    const socket = new AdoptedSocket(adoptHandle(fd), { allowHalfOpen: true });
    t.teardown(() => socket.destroy());
    use(socket, index);
    socket.give(input);
  });
}

test(`each of a large batch gets what its client had sent, and what comes later after it`, async (t) => {
  const { clients, fds } = await acceptedConnections(t, 150);
  for (const [i, client] of clients.entries()) if (i % 3 !== 0) client.write(`first ${i}, `);
  for (const [i, fd] of fds.entries()) if (i % 3 !== 0) await arrived(fd, `first ${i}, `.length);
  const seen: Promise<string>[] = [];
  const sockets: AdoptedSocket[] = [];
  adoptAll(t, fds, (socket, index) => {
    sockets[index] = socket;
    seen[index] = text(socket);
  });
  for (const [i, client] of clients.entries()) client.end(`later ${i}`);
  t.deepEqual(
    await Promise.all(seen),
    clients.map((_, i) => (i % 3 === 0 ? `later ${i}` : `first ${i}, later ${i}`)),
  );
  t.deepEqual(
    sockets.map(({ bytesRead }) => bytesRead),
    clients.map(({ bytesWritten }) => bytesWritten),
  );
});

test(`what is more than is read ahead arrives whole, and a listener that reads late gets it all`, async (t) => {
  const { clients, fds } = await acceptedConnections(t, 1);
  const sent = 'abcdefgh'.repeat(2000);
  clients[0]!.end(sent);
  await arrived(fds[0]!, sent.length);
  let socket!: AdoptedSocket;
  adoptAll(t, fds, (adopted) => {
    socket = adopted;
  });
  await new Promise(setImmediate);
  t.is(await text(socket), sent);
});

/** The listener throws at the head, so that Node puts off what has to settle to a later turn; more comes before that. */
const throwing = `
  import { acceptedConnections } from '${new URL('../support/accepted.ts', import.meta.url)}';
  import { AdoptedSocket, adoptHandle } from '${new URL('../../delivery/adopt.ts', import.meta.url)}';
  const { clients: [client], fds: [fd] } = await acceptedConnections({ teardown() {} }, 1);
  process.on('uncaughtException', () => client.end('later'));
  const socket = new AdoptedSocket(adoptHandle(fd), { allowHalfOpen: true });
  const pieces = [];
  socket.on('data', (piece) => {
    pieces.push(String(piece));
    if (pieces.length === 1) throw new Error('of the application');
    if (!String(piece).endsWith('later')) return;
    console.log(JSON.stringify([pieces.join('|'), socket.bytesRead]));
    socket.destroy();
  });
  setImmediate(() => socket.give(Buffer.from('head\\r\\n\\r\\nbody, ')));
`;

test('what came with a head comes after it, and before anything else', async (t) => {
  const { clients, fds } = await acceptedConnections(t, 2);
  const pieces: string[][] = [[], []];
  const sent = ['head\r\n\r\nbody, ', 'head\r\n\r\nhead\r\n\r\nbody, '];
  for (const [i, client] of clients.entries()) client.end(sent[i]);
  for (const [i, fd] of fds.entries()) await arrived(fd, sent[i]!.length);
  const ended: Promise<unknown>[] = [];
  adoptAll(t, fds, (socket, index) => {
    socket.on('data', (piece) => pieces[index]!.push(String(piece)));
    ended.push(once(socket, 'end'));
  });
  await Promise.all(ended);
  t.deepEqual(pieces, [
    ['head\r\n\r\n', 'body, '],
    ['head\r\n\r\n', 'head\r\n\r\nbody, '],
  ]);
  const { stdout } = await execa(process.execPath, ['--input-type=module'], { input: throwing });
  t.deepEqual(JSON.parse(stdout), ['head\r\n\r\n|body, |later', 'head\r\n\r\nbody, later'.length]);
});

test('a client that has ended its side is an end of input', async (t) => {
  const { clients, fds } = await acceptedConnections(t, 1);
  clients[0]!.end();
  await arrived(fds[0]!, 0);
  let seen!: Promise<string>;
  adoptAll(t, fds, (socket) => {
    seen = text(socket);
  });
  t.is(await seen, '');
});

test('a client that has reset its connection is an error of the socket, as of one that was accepted', async (t) => {
  const { clients, fds } = await acceptedConnections(t, 1);
  // Over loopback the reset has arrived when it has been sent; to look for it would be to hear of it.
  await once(clients[0]!.resetAndDestroy(), 'close');
  const errors: NodeJS.ErrnoException[] = [];
  let closed!: Promise<unknown>;
  adoptAll(t, fds, (socket) => {
    socket.on('error', (error) => errors.push(error));
    closed = new Promise((resolve) => socket.once('close', resolve));
  });
  await closed;
  t.deepEqual(
    errors.map(({ message, code, syscall }) => ({ message, code, syscall })),
    [{ message: 'read ECONNRESET', code: 'ECONNRESET', syscall: 'read' }],
  );
});
