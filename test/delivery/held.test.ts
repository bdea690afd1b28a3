/** A held socket: nothing is read, written or ended through it, whoever tries, until it is released or let go. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { AdoptedSocket, adoptHandle } from '../../delivery/adopt.ts';
import { hold } from '../../delivery/held.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { allocate } from '../../shared/sys/memory.ts';
import { closeFd, duplicateFd, peek, write } from '../../shared/sys/sockets.ts';
import { acceptedConnections } from '../support/accepted.ts';
import { until } from '../support/until.ts';

const memory = allocate(1024);

interface Pair {
  readonly client: Socket;
  readonly socket: AdoptedSocket;
  /** A copy of the server's end, as a head has one. */
  readonly copy: number;
  readonly came: () => string;
  readonly heard: () => string;
}

async function pair(t: ExecutionContext): Promise<Pair> {
  const { clients, fds } = await acceptedConnections(t, 1);
  const client = clients[0]!;
  const copy = duplicateFd(fds[0]!);
  const socket = new AdoptedSocket(adoptHandle(fds[0]!), { allowHalfOpen: true });
  socket.on('error', () => {});
  t.teardown(() => {
    Socket.prototype.destroy.call(socket);
    closeFd(copy);
  });
  let came = '';
  let heard = '';
  socket.on('data', (part) => (came += part));
  client.on('data', (part) => (heard += part));
  client.on('end', () => (heard += '<FIN>'));
  client.on('error', (error: NodeJS.ErrnoException) => (heard += `<${error.code}>`));
  client.write('a');
  await until(
    'it has come',
    () => came,
    (text) => text === 'a',
  );
  return { client, socket, copy, came: () => came, heard: () => heard };
}

const untilUnread = (copy: number): Promise<unknown> =>
  until(
    'it is in the socket',
    () => peek(copy, memory, 0, 1),
    (n) => n > 0,
  );

/** What the server's side does must not come, and would come before this. */
async function isMute({ client, copy, heard }: Pair): Promise<string> {
  const before = heard();
  memory.bytes.set(Buffer.from('|'));
  write(copy, memory, 0, 1);
  await until(
    'a mark',
    () => client.readyState && heard(),
    (text) => text.length > before.length,
  );
  return heard().slice(before.length);
}

test('nothing is read while it is held, whoever starts that, and all of it when it is released', async (t) => {
  const of = await pair(t);
  const held = hold(of.socket)!;
  of.client.write('b');
  await untilUnread(of.copy);
  of.socket.pause();
  of.socket.resume();
  of.socket.read(0);
  for (let i = 0; i < 10; i++) await turn();
  t.is(of.came(), 'a');
  held.release();
  await until('the rest', of.came, (text) => text === 'ab');
  of.client.write('c');
  await until('and more', of.came, (text) => text === 'abc');
});

test('what is written and ended meanwhile leaves when it is released, in order', async (t) => {
  const of = await pair(t);
  const held = hold(of.socket)!;
  of.socket.write('b');
  of.socket.end('c');
  for (let i = 0; i < 10; i++) await turn();
  t.is(await isMute(of), '|');
  held.release();
  await until('all', of.heard, (text) => text === '|bc<FIN>');
});

for (const how of ['destroy', 'resetAndDestroy', 'destroySoon', 'letGo'] as const) {
  test(`by ${how} this process's copy is closed, and the connection goes on`, async (t) => {
    const of = await pair(t);
    const held = hold(of.socket)!;
    const closed = once(of.socket, 'close');
    of.client.write('unread');
    await untilUnread(of.copy);
    if (how === 'letGo') held.letGo();
    else of.socket[how]();
    if (how !== 'destroySoon') await closed;
    for (let i = 0; i < 10; i++) await turn();
    t.is(await isMute(of), '|');
    t.is(peek(of.copy, memory, 0, 100), 6);
    if (how === 'destroySoon') held.letGo();
    await closed;
    t.is(await isMute(of), '|');
  });
}

test('one that is let go is closed although its application has made something of destroy', async (t) => {
  const of = await pair(t);
  const held = hold(of.socket)!;
  of.socket.destroy = () => {
    throw new Error('not mine');
  };
  t.throws(() => held.letGo(), { message: 'not mine' });
  await once(of.socket, 'close');
  t.is(await isMute(of), '|');
});

test('what is not at rest is not held: unread, unwritten, ended, closed, held', async (t) => {
  const unread = await pair(t);
  unread.socket.pause();
  unread.client.write('b');
  unread.socket.read(0);
  await until(
    'it is in Node',
    () => unread.socket.readableLength,
    (length) => length === 1,
  );
  t.is(hold(unread.socket), undefined);

  const unwritten = await pair(t);
  unwritten.client.pause();
  unwritten.socket.write(Buffer.alloc(20_000_000));
  t.is(hold(unwritten.socket), undefined);
  unwritten.client.destroy();

  const ended = await pair(t);
  ended.client.end();
  await once(ended.socket, 'end');
  t.is(hold(ended.socket), undefined);
  const ending = await pair(t);
  ending.socket.end();
  t.is(hold(ending.socket), undefined);

  const held = await pair(t);
  hold(held.socket);
  t.is(hold(held.socket), undefined);
  held.socket.destroy();
  t.is(hold(held.socket), undefined);
  t.is(peek(held.copy, memory, 0, 1), EAGAIN);
});
