import { once } from 'node:events';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { policyByName } from '../../../head/choose/index.ts';
import { createScoreboardMemory, WorkerCounters } from '../../../head/scoreboard.ts';
import { ACCEPT_BATCH, Listener } from '../../../head/worker/listener.ts';
import type { Calls } from '../../../shared/sys/calls.ts';
import { createEpoll } from '../../../shared/sys/epoll.ts';
import { PlainCalls } from '../../../shared/sys/plain-calls.ts';
import { bindReuseport } from '../../../shared/sys/reuseport.ts';
import { openRing } from '../../../shared/sys/ring.ts';
import { closeFd, endReading } from '../../../shared/sys/sockets.ts';

/** An intake at a loopback address, and what it accepted. `room`: connections that it may hold; it can not make more. */
async function openIntake(t: ExecutionContext, calls: Calls, room: number, withAddress = false) {
  // An address of its own: a test beside this one may be given the port when it is closed.
  const { fds, bound } = await bindReuseport({ host: '127.0.9.1', port: 0 }, 1);
  const listener = fds[0]!;
  const epoll = createEpoll(8);
  const row = new WorkerCounters(createScoreboardMemory(1), 0);
  const accepted: number[] = [];
  const hashes = new Set<number>();
  let asked = 0;
  const intake = new Listener({
    listener,
    index: 0,
    epoll,
    calls,
    row,
    tuning: { maxConnections: room, backlog: 1000, deferAcceptMs: 0 },
    router: { policy: policyByName(withAddress ? 'client-hash' : 'round-robin') },
    onConnection(fd, addressHash) {
      accepted.push(fd);
      hashes.add(addressHash);
      row.add('open');
    },
    onClosed() {},
    makeRoom() {
      asked++;
      return false;
    },
  });
  t.teardown(() => {
    if (intake.isOpen) closeFd(listener);
    for (const fd of accepted) closeFd(fd);
    closeFd(epoll.fd);
    calls.end();
  });
  const clients = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const socket = connect(bound);
      t.teardown(() => socket.destroy());
      // The intake is closed over their heads.
      socket.on('error', () => {});
      await once(socket, 'connect');
    }
  };
  return { intake, listener, epoll, row, accepted, hashes, clients, bound, asked: () => asked };
}

const ring = openRing();
ring?.end();
const kinds: [string, () => Calls][] = [['one by one', () => new PlainCalls()]];
if (ring) kinds.push(['together', () => openRing()!]);

for (const [how, open] of kinds) {
  test.serial(`as many as wait are accepted, a batch at most, ${how}`, async (t) => {
    const { intake, epoll, accepted, hashes, clients } = await openIntake(t, open(), 1000);
    intake.listen();
    t.is(epoll.wait(0), 0);
    await clients(ACCEPT_BATCH + 3);
    t.is(epoll.wait(0), 1);
    t.is(intake.accept(0), ACCEPT_BATCH);
    t.is(epoll.wait(0), 1, 'three are left');
    t.is(intake.accept(0), 3);
    t.is(epoll.wait(0), 0);
    t.is(intake.accept(0), 0, 'in vain, and without harm');
    t.is(new Set(accepted).size, ACCEPT_BATCH + 3);
    t.deepEqual([...hashes], [0], 'nobody asked for addresses');
    t.is(intake.tick(0), Number.POSITIVE_INFINITY);
  });

  test.serial(`the addresses of clients are known where they are asked for, ${how}`, async (t) => {
    const { intake, hashes, clients } = await openIntake(t, open(), 1000, true);
    intake.listen();
    await clients(3);
    t.is(intake.accept(0), 3);
    t.is(hashes.size, 1);
    t.false(hashes.has(0));
  });

  test.serial(`without room it pauses, and goes on when the pause is over, ${how}`, async (t) => {
    const { intake, epoll, row, clients, asked } = await openIntake(t, open(), 2);
    intake.listen();
    await clients(3);
    t.is(intake.accept(1000), 2);
    t.is(asked(), 0);
    t.is(intake.accept(1000), 0);
    t.is(asked(), 1);
    t.is(epoll.wait(0), 0, 'nothing is heard of the third');
    t.is(intake.tick(1000), 20);
    t.is(intake.tick(1015), 5);
    t.is(intake.tick(1020), Number.POSITIVE_INFINITY);
    t.is(epoll.wait(0), 1);
    row.add('open', -1);
    t.is(intake.accept(1020), 1);
    t.is(row.get('accept_failures'), 0);
  });

  test.serial(`a failure is counted, and accepting tried again later, ${how}`, async (t) => {
    const { intake, listener, epoll, row } = await openIntake(t, open(), 1000);
    intake.listen();
    // Nothing can be accepted from here on (EINVAL), and epoll says so for ever.
    endReading(listener);
    t.is(epoll.wait(0), 1);
    t.is(intake.accept(5), 0);
    t.is(row.get('accept_failures'), 1);
    t.is(epoll.wait(0), 0, 'it does not spin');
    t.is(intake.tick(6), 19);
    t.is(intake.tick(25), Number.POSITIVE_INFINITY);
    t.is(epoll.wait(0), 1);
  });

  test.serial(`what is queued is taken before it closes, ${how}`, async (t) => {
    const { intake, accepted, clients, bound } = await openIntake(t, open(), 1000);
    intake.listen();
    await clients(ACCEPT_BATCH + 1);
    intake.stop(0, 0);
    t.is(accepted.length, ACCEPT_BATCH + 1);
    t.false(intake.isOpen);
    const [error] = (await once(connect(bound), 'error')) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNREFUSED');
    t.is(intake.accept(0), 0);
    t.notThrows(() => intake.stop(0, 0));
  });
}
