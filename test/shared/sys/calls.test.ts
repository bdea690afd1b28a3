/** The same tests for both ways of making calls: what they do must not differ. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { TICKETS } from '../../../shared/sys/calls.ts';
import { EAGAIN, EBADF } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { PlainCalls } from '../../../shared/sys/plain-calls.ts';
import { bindReuseport } from '../../../shared/sys/reuseport.ts';
import { openRing } from '../../../shared/sys/ring.ts';
import * as sockets from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';

const memory = allocate(65_536);

async function listener(t: ExecutionContext) {
  const { fds, bound } = await bindReuseport({ host: '127.0.0.1', port: 0 }, 1);
  t.teardown(() => sockets.closeFd(fds[0]!));
  sockets.listen(fds[0]!, 512);
  return { fd: fds[0]!, port: bound.port };
}

async function connected(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

for (const [name, open] of [
  ['io_uring', openRing],
  ['one by one', () => new PlainCalls()],
] as const) {
  // A kernel without io_uring, or one that forbids it, has one way only.
  const declare = open === openRing && openRing() === undefined ? test.skip : test;

  declare(`${name}: accepts what waits and says when nothing is left, without waiting`, async (t) => {
    const calls = open()!;
    t.teardown(() => calls.end());
    const at = await listener(t);
    const clients = [await connected(t, at.port), await connected(t, at.port)];
    const tickets = [0, 1, 2, 3].map((i) => calls.accept(at.fd, memory, i * sockets.ADDRESS_BYTES));
    calls.run();
    const results = tickets.map((ticket) => calls.result(ticket));
    t.true(results[0]! > 0 && results[1]! > 0);
    t.deepEqual(results.slice(2), [EAGAIN, EAGAIN]);
    t.is(memory.view.getUint16(2, false), clients[0]!.localPort!);
    t.is(memory.view.getUint16(sockets.ADDRESS_BYTES + 2, false), clients[1]!.localPort!);
    t.is(sockets.addressHash(memory, 0), sockets.addressHash(memory, sockets.ADDRESS_BYTES));
    // The next batch asks anew.
    await connected(t, at.port);
    const later = calls.accept(at.fd, undefined, 0);
    calls.run();
    const third = calls.result(later);
    t.true(third > 0);
    for (const fd of [results[0]!, results[1]!, third]) calls.close(fd);
    calls.run();
  });

  declare(`${name}: peeks, reads, throws away and writes in the order of the queue`, (t) => {
    const calls = open()!;
    t.teardown(() => calls.end());
    const [left, right] = seqpacketPair();
    memory.bytes.write('onetwo', 0);
    const sent = [calls.writeLast(left, memory, 0, 3), calls.writeLast(left, memory, 3, 3)];
    const got = [calls.peek(right, memory, 100, 50), calls.receive(right, memory, 200, 50)];
    got.push(calls.receive(right, memory, 300, 50), calls.receive(right, memory, 400, 50));
    calls.run();
    t.deepEqual(
      [...sent, ...got].map((ticket) => calls.result(ticket)),
      [3, 3, 3, 3, 3, EAGAIN],
    );
    const text = (at: number) => memory.bytes.toString('latin1', at, at + 3);
    t.deepEqual([text(100), text(200), text(300)], ['one', 'one', 'two']);
    calls.close(left);
    calls.run();
    const end = [calls.discard(right, 1024), calls.receive(-1, memory, 0, 8)];
    calls.run();
    t.deepEqual(
      end.map((ticket) => calls.result(ticket)),
      [0, EBADF],
    );
    sockets.closeFd(right);
  });

  declare(`${name}: input that is thrown away is gone`, async (t) => {
    const calls = open()!;
    t.teardown(() => calls.end());
    const at = await listener(t);
    const client = await connected(t, at.port);
    const fd = sockets.acceptNonBlocking(at.fd);
    client.end(Buffer.alloc(5000));
    await once(client, 'finish');
    let gone = 0;
    for (let n = EAGAIN; n !== 0; ) {
      const ticket = calls.discard(fd, 1 << 20);
      calls.run();
      n = calls.result(ticket);
      if (n > 0) gone += n;
      await new Promise(setImmediate);
    }
    t.is(gone, 5000);
    sockets.closeFd(fd);
  });

  declare(`${name}: more calls than fit into one batch, many times over, each with its own answer`, (t) => {
    const calls = open()!;
    t.teardown(() => calls.end());
    const [left, right] = seqpacketPair();
    sockets.write(left, memory, 0, 40);
    for (let round = 0; round < 20; round++) {
      const tickets: number[] = [];
      for (let i = 0; i < TICKETS / 2; i++) tickets.push(calls.peek(right, memory, 0, (i % 39) + 1));
      calls.run();
      const wrong = tickets.filter((ticket, i) => calls.result(ticket) !== (i % 39) + 1);
      t.is(wrong.length, 0);
    }
    for (const fd of [left, right]) sockets.closeFd(fd);
  });
}
