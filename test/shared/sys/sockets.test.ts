import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { BatonError } from '../../../shared/errors.ts';
import { EAFNOSUPPORT, peerEndpoint } from '../../../shared/sys/endpoints.ts';
import { EAGAIN, EBADF, ECONNRESET, EPIPE, SystemError } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { watchReadable } from '../../../shared/sys/readiness.ts';
import { bindReuseport, listenError } from '../../../shared/sys/reuseport.ts';
import * as sockets from '../../../shared/sys/sockets.ts';
import * as unix from '../../../shared/sys/unix-sockets.ts';

// One for all, so the tests run one at a time.
const memory = allocate(4096);
const text = (length: number, offset = 0): string => memory.bytes.toString('latin1', offset, offset + length);

/** Resolves when `fd` has input, or has ended. */
function input(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const readiness = watchReadable(fd, () => {
      readiness.close();
      resolve();
    });
  });
}

/** A listener of our own at a loopback address, closed with the test. */
async function listener(t: ExecutionContext, host = '127.0.0.1', backlog = 16) {
  const { fds, bound } = await bindReuseport({ host, port: 0 }, 1);
  t.teardown(() => sockets.closeFd(fds[0]!));
  sockets.listen(fds[0]!, backlog);
  return { fd: fds[0]!, ...bound };
}

async function connected(
  t: ExecutionContext,
  to: { host: string; port: number },
  from?: string,
): Promise<Socket> {
  const { host, port } = to;
  const socket = connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) });
  t.teardown(() => socket.destroy());
  // A peer that is closed without a word may reset it.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

test.serial(
  'what is peeked at stays, what is received is gone, what is discarded is not copied',
  async (t) => {
    const at = await listener(t);
    t.is(sockets.acceptNonBlocking(at.fd), EAGAIN);
    const client = await connected(t, at);
    const fd = sockets.acceptNonBlocking(at.fd);
    t.is(sockets.peek(fd, memory, 0, 64), EAGAIN, 'it does not block');
    client.write('hello world');
    await input(fd);
    memory.bytes.fill(0);
    t.is(sockets.peek(fd, memory, 8, 64), 11);
    t.is(text(11, 8), 'hello world');
    t.is(sockets.peek(fd, memory, 0, 5), 5);
    t.is(sockets.receive(fd, memory, 0, 6), 6);
    t.is(text(6), 'hello ');
    memory.bytes.fill(0);
    t.is(sockets.discard(fd, 1 << 20), 5);
    t.is(text(5), '\0\0\0\0\0');
    t.is(sockets.receive(fd, memory, 0, 64), EAGAIN);
    client.end();
    await input(fd);
    t.is(sockets.peek(fd, memory, 0, 64), 0);
    sockets.closeFd(fd);
  },
);

test.serial('after the last word the client reads to the end, and can still send', async (t) => {
  const at = await listener(t);
  const client = await connected(t, at);
  client.pause();
  const fd = sockets.acceptNonBlocking(at.fd);
  memory.bytes.write('bye');
  t.is(sockets.write(fd, memory, 0, 3), 3);
  t.is(sockets.endWriting(fd), 0);
  t.is(sockets.write(fd, memory, 0, 3), EPIPE, 'without a signal');
  client.write('more');
  await input(fd);
  t.is(sockets.receive(fd, memory, 0, 64), 4);
  const chunks: Buffer[] = [];
  client.on('data', (chunk) => chunks.push(chunk)).resume();
  await once(client, 'end');
  t.is(Buffer.concat(chunks).toString(), 'bye');
  sockets.closeFd(fd);
});

test.serial('a connection that its client reset is told from one that it ended', async (t) => {
  const at = await listener(t);
  const client = await connected(t, at);
  const fd = sockets.acceptNonBlocking(at.fd);
  client.resetAndDestroy();
  await input(fd);
  t.is(sockets.peek(fd, memory, 0, 64), ECONNRESET);
  sockets.closeFd(fd);
});

async function hashOf(t: ExecutionContext, at: { fd: number; port: number }, host: string, from: string) {
  await connected(t, { host, port: at.port }, from);
  const fd = sockets.acceptInto(at.fd, memory, 256);
  t.true(fd > 0);
  sockets.closeFd(fd);
  return sockets.addressHash(memory, 256);
}

test.serial('the hash of a client is that of its address, whatever its port', async (t) => {
  const at = await listener(t);
  // FNV-1a of the bytes 127, 0, 0, 1.
  t.is(await hashOf(t, at, '127.0.0.1', '127.0.0.1'), 0xdaaf40ed);
  t.is(await hashOf(t, at, '127.0.0.1', '127.0.0.1'), 0xdaaf40ed);
  t.not(await hashOf(t, at, '127.0.0.1', '127.0.0.2'), 0xdaaf40ed);
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);
const ipv6Test = hasIpv6 ? test.serial : test.skip;
ipv6Test('an IPv4 client has the same hash at a dual-stack listener (needs IPv6 on loopback)', async (t) => {
  const at = await listener(t, '::');
  t.is(await hashOf(t, at, '127.0.0.1', '127.0.0.1'), 0xdaaf40ed);
  const hash = await hashOf(t, at, '::1', '::1');
  t.not(hash, 0xdaaf40ed);
  t.is(await hashOf(t, at, '::1', '::1'), hash);
});

test.serial('a listener tells how many wait, how many may, and how many it dropped', async (t) => {
  const at = await listener(t, '127.0.0.1', 7);
  t.deepEqual(sockets.listenQueue(at.fd), { queued: 0, backlog: 7, drops: 0 });
  await connected(t, at);
  await connected(t, at);
  t.is(sockets.listenQueue(at.fd).queued, 2);
  t.is(sockets.queuedConnections(at.fd), 2);
  sockets.closeFd(sockets.acceptNonBlocking(at.fd));
  t.is(sockets.listenQueue(at.fd).queued, 1);
  t.is(sockets.queuedConnections(at.fd), 1);
  t.is(sockets.queuedConnections(-1), EBADF);
});

test.serial('listeners that share an address each get some of the connections', async (t) => {
  const { fds, bound } = await bindReuseport({ host: '127.0.0.1', port: 0 }, 3);
  t.is(fds.length, 3);
  for (const fd of fds) sockets.listen(fd, 64);
  await Promise.all(Array.from({ length: 60 }, () => connected(t, bound)));
  const queues = fds.map((fd) => sockets.listenQueue(fd).queued);
  t.is(
    queues.reduce((sum, queued) => sum + queued, 0),
    60,
  );
  for (const queued of queues) t.true(queued > 0, JSON.stringify(queues));
  fds.forEach(sockets.closeFd);
});

test.serial('an address that is not available is an error that names what to change', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  for (const [host, code, details] of [
    ['127.0.0.1', 'PORT_IN_USE', { address: `127.0.0.1:${port}`, option: '--listen' }],
    ['192.0.2.1', 'ADDRESS_UNAVAILABLE', { address: `192.0.2.1:${port}`, problem: 'EADDRNOTAVAIL' }],
  ] as const) {
    const error = await t.throwsAsync(bindReuseport({ host, port }, 2), { instanceOf: BatonError });
    t.is(error!.code, code);
    t.like(error!.details, details);
  }
  const forbidden = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
  t.like(listenError(forbidden, { host: '::1', port: 80 }, '--direct'), {
    code: 'PORT_FORBIDDEN',
    details: { address: '[::1]:80' },
  });
  t.is(listenError(cause, { host: '::1', port: 80 }, '--direct'), cause);
});
const cause = new Error('something else');

test.serial(
  'both ends of a pair send whole messages; one that refuses input leaves what arrived to be read',
  (t) => {
    const [left, right] = unix.seqpacketPair();
    memory.bytes.write('abcdef');
    sockets.write(left, memory, 0, 2);
    sockets.write(left, memory, 2, 3);
    t.is(sockets.endReading(right), 0);
    t.is(sockets.write(left, memory, 0, 1), EPIPE);
    t.is(sockets.receive(right, memory, 0, 64), 2);
    t.is(sockets.receive(right, memory, 0, 64), 3);
    t.is(sockets.receive(right, memory, 0, 64), 0);
    t.is(sockets.write(right, memory, 0, 1), 1, 'the other direction goes on');
    t.like(unix.peerCredentials(left), { pid: process.pid, uid: process.getuid!() });
    for (const fd of [left, right]) sockets.closeFd(fd);
  },
);

test.serial('a Unix socket path that the kernel cannot hold is refused before the kernel cuts it', (t) => {
  for (const path of ['', 'x'.repeat(108), '/tmp/a\0b']) {
    for (const open of [() => unix.connectSeqpacket(path), () => unix.listenUnix(path, 'seqpacket', 1)]) {
      t.throws(open, { instanceOf: RangeError, message: /^a Unix socket path has 1 to 107 bytes/ });
    }
  }
  const error = t.throws(() => unix.connectSeqpacket(`/nonexistent/${'x'.repeat(90)}`));
  t.true(error instanceof SystemError && error.code === 'ENOENT');
});

test('the peer of what is no IP socket is none', (t) => {
  const ends = unix.seqpacketPair();
  for (const fd of ends) t.is(peerEndpoint(fd), EAFNOSUPPORT);
  ends.forEach(sockets.closeFd);
});
