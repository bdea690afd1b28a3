import test from 'ava';
import fc from 'fast-check';
import { BROKEN, createEpoll, EDGE, PEER_ENDED, READABLE, WRITABLE } from '../../../shared/sys/epoll.ts';
import { SystemError } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { closeFd, endWriting, receive, write } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';
import { clearWake, createWake, wake } from '../../../shared/sys/wake.ts';

const memory = allocate(64);

test('a tag comes back with the fd that it was given for, all 32 bits of it', (t) => {
  const epoll = createEpoll(4);
  const [left, right] = seqpacketPair();
  write(left, memory, 0, 1);
  epoll.add(right, READABLE, 0);
  fc.assert(
    fc.property(fc.integer(), (tag) => {
      epoll.modify(right, READABLE, tag);
      t.is(epoll.wait(0), 1);
      t.is(epoll.fdAt(0), right);
      t.is(epoll.tagAt(0), tag);
      t.is(epoll.eventsAt(0), READABLE);
    }),
  );
  for (const fd of [left, right, epoll.fd]) closeFd(fd);
});

test('several events come in one wait, each with its own fd, and no more than were asked for', (t) => {
  const epoll = createEpoll(3);
  const pairs = [1, 2, 3, 4, 5].map(seqpacketPair);
  for (const [i, [left, right]] of pairs.entries()) {
    epoll.add(right, READABLE, i);
    write(left, memory, 0, 1);
  }
  const seen = new Map<number, number>();
  while (seen.size < 5) {
    const count = epoll.wait(0);
    t.true(count > 0 && count <= 3);
    for (let i = 0; i < count; i++) {
      seen.set(epoll.fdAt(i), epoll.tagAt(i));
      receive(epoll.fdAt(i), memory, 0, 64);
    }
  }
  t.deepEqual([...seen].toSorted(), pairs.map(([, right], i) => [right, i] as [number, number]).toSorted());
  for (const fd of [...pairs.flat(), epoll.fd]) closeFd(fd);
});

test('an edge is reported once, a level for as long as it lasts', (t) => {
  const epoll = createEpoll(4);
  const [left, right] = seqpacketPair();
  epoll.add(right, READABLE | EDGE, 0);
  write(left, memory, 0, 1);
  t.is(epoll.wait(0), 1);
  t.is(epoll.wait(0), 0);
  epoll.modify(right, READABLE, 0);
  t.is(epoll.wait(0), 1);
  t.is(epoll.wait(0), 1);
  epoll.remove(right);
  t.is(epoll.wait(0), 0);
  for (const fd of [left, right, epoll.fd]) closeFd(fd);
});

test('room, the end of the peer and a break are told apart', (t) => {
  const epoll = createEpoll(4);
  const [left, right] = seqpacketPair();
  const events = () => (epoll.wait(0) === 0 ? 0 : epoll.eventsAt(0));
  epoll.add(right, WRITABLE, 0);
  t.is(events(), WRITABLE);
  epoll.modify(right, PEER_ENDED, 0);
  t.is(events(), 0);
  endWriting(left);
  t.is(events(), PEER_ENDED);
  closeFd(left);
  t.true((events() & BROKEN) !== 0);
  for (const fd of [right, epoll.fd]) closeFd(fd);
});

test('a mistake with an fd is a SystemError that names it', (t) => {
  const epoll = createEpoll(1);
  const error = t.throws(() => epoll.remove(epoll.fd), { instanceOf: SystemError });
  t.is(error!.code, 'EINVAL');
  t.is(error!.call, 'epoll_ctl');
  t.regex(error!.message, /^epoll_ctl: .* \(EINVAL\)$/);
  closeFd(epoll.fd);
});

test('a wake ends a wait, however often it came, until it is cleared', (t) => {
  const epoll = createEpoll(1);
  const fd = createWake();
  epoll.add(fd, READABLE, 9);
  t.is(epoll.wait(0), 0);
  wake(fd);
  wake(fd);
  t.is(epoll.wait(-1), 1);
  t.is(epoll.tagAt(0), 9);
  clearWake(fd);
  t.is(epoll.wait(0), 0);
  for (const each of [fd, epoll.fd]) closeFd(each);
});
