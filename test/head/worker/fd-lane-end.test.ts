/** How a lane ends: closed by the head, by the delivery, or by nonsense; and whose each connection is then. */
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { FdLane } from '../../../head/worker/fd-lane.ts';
import { EPIPE } from '../../../shared/sys/libc.ts';
import { closeFd, write } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';
import { CONNECTIONS, ENDED, RETURNED, TAKEN, writeRange } from '../../../shared/wire/lane.ts';
import { until } from '../../support/until.ts';
import { devNull, openLane, outbox, SLOT } from './open-lane.ts';

/** A lane keeps the delivery's end open and closes it; where the other end is to be gone, it gets this instead. */
function noCopy(): number {
  const [one, other] = seqpacketPair();
  closeFd(other);
  return one;
}

test('nonsense is a RangeError that says what was wrong', (t) => {
  for (const [bytes, message] of [
    [[0x93, TAKEN, 2, 1], /2 to 2, which were not sent/],
    [[0x93, TAKEN, 0xce, 0xff, 0xff, 0xff, 0xff, 1], /which were not sent/],
    [[0x93, RETURNED, 1, 2], /1 to 2, which were not sent/],
    [[0x92, ENDED, 1], /more connections ended/],
    [[0x93, CONNECTIONS, 0, 1], /of kind 1/],
    [[0x93, TAKEN, 0, 0], /not a lane message/],
    [[0xc0], /not a lane message/],
  ] as const) {
    const { lane, events, sayBytes } = openLane(t);
    lane.push(devNull);
    lane.push(devNull);
    lane.flush();
    sayBytes(Uint8Array.from(bytes));
    t.throws(() => lane.read(), { instanceOf: RangeError, message });
    t.deepEqual(events(), []);
    const back: number[] = [];
    lane.close((fd) => back.push(fd));
    t.is(back.length, 2, 'both connections are the head’s again');
  }
});

test('a lane that the delivery has ended is an error with that reason', (t) => {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const lane = new FdLane(SLOT, headEnd, noCopy(), {
    onTaken() {},
    onReturned() {},
    onEnded() {},
    onLate() {},
  });
  t.is(lane.read(), 0);
  closeFd(deliveryEnd);
  t.throws(() => lane.read(), { instanceOf: RangeError, message: 'it ended its lane' });
  lane.close(() => {});
});

test('closing honours what was said in time, refuses what comes later, and gives back the rest', (t) => {
  const { lane, events, receive, say } = openLane(t);
  const fds = [1, 2, 3, 4, 5].map(() => openSync('/dev/null', 'r'));
  for (const fd of fds.slice(0, 3)) lane.push(fd);
  lane.flush();
  t.deepEqual(receive(), [0, 3, 3]);
  lane.push(fds[3]!);
  lane.flush();
  lane.push(fds[4]!);
  t.true(say(TAKEN, 1, 1) >= 0);
  const back: number[] = [];
  lane.close((fd) => back.push(fd));
  t.deepEqual(events(), [['taken', SLOT, fds[1]]]);
  t.deepEqual(back, [fds[0], fds[2], fds[3], fds[4]], 'read, unread and unsent ones alike');
  t.is(say(TAKEN, 0, 1), EPIPE);
  t.is(receive(), undefined, 'the queue that it had not read is empty');
  for (const fd of fds) closeSync(fd);
});

test('while a lane closes, no connection is both taken by the delivery and given back', async (t) => {
  const count = 8000;
  const code = `
    const { workerData: { modules, fd, said } } = require('node:worker_threads');
    Promise.all(modules.map((module) => import(module))).then(([memory, sockets, wire]) => {
      const outbox = memory.allocate(64);
      for (let id = 0; id < ${count}; id++) {
        // Slower than the head reads, so that it finds nothing now and then.
        for (const until = performance.now() + 0.02; performance.now() < until; );
        if (sockets.write(fd, outbox, 0, wire.writeRange(outbox.bytes, wire.TAKEN, id, 1)) < 0) break;
        Atomics.store(said, 0, id + 1);
      }
    });`;
  const modules = ['sys/memory.ts', 'sys/sockets.ts', 'wire/lane.ts'].map(
    (path) => new URL(`../../../shared/${path}`, import.meta.url).href,
  );
  for (let round = 0; round < 6; round++) {
    const { lane, own, events } = openLane(t);
    for (let i = 0; i < count; i++) lane.push(devNull);
    lane.flush();
    const said = new Int32Array(new SharedArrayBuffer(4));
    const thread = new Worker(code, { eval: true, workerData: { modules, fd: own, said } });
    const ended = once(thread, 'exit');
    while (Atomics.load(said, 0) < 20) await new Promise(setImmediate);
    let back = 0;
    lane.close(() => back++);
    await ended;
    // A message that left counts as taken for the delivery, so it has to for the head.
    t.is(events().length, Atomics.load(said, 0));
    t.is(back, count - Atomics.load(said, 0));
  }
});

test('what a delivery took in time is its own, whatever else it said', (t) => {
  const { lane, events, say, sayBytes } = openLane(t);
  const fds = [1, 2, 3, 4].map(() => openSync('/dev/null', 'r'));
  for (const fd of fds) lane.push(fd);
  lane.flush();
  sayBytes(Buffer.from('garbage'));
  say(TAKEN, 0, 1);
  sayBytes(Buffer.alloc(0));
  say(TAKEN, 2, 1);
  t.throws(() => lane.read(), { instanceOf: RangeError });
  const back: number[] = [];
  lane.close((fd) => back.push(fd));
  t.deepEqual(events(), [
    ['taken', SLOT, fds[0]],
    ['taken', SLOT, fds[2]],
  ]);
  t.deepEqual(back, [fds[1], fds[3]]);
  for (const fd of fds) closeSync(fd);
});

test('of a range that is too long, what was sent is taken', (t) => {
  const { lane, events, say } = openLane(t);
  lane.push(devNull);
  lane.push(devNull);
  lane.flush();
  say(TAKEN, 1, 3);
  t.throws(() => lane.read(), { instanceOf: RangeError, message: /1 to 3, which were not sent/ });
  t.deepEqual(events(), [['taken', SLOT, devNull]]);
  let back = 0;
  lane.close(() => back++);
  t.is(back, 1);
});

test('what a delivery took before it died with messages unread is its own', async (t) => {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const taken: number[] = [];
  const lane = new FdLane(SLOT, headEnd, noCopy(), {
    onTaken: (_slot, fd) => taken.push(fd),
    onReturned() {},
    onEnded() {},
    onLate() {},
  });
  const fds = [openSync('/dev/null', 'r'), openSync('/dev/null', 'r')];
  for (const fd of fds) lane.push(fd);
  lane.flush();
  write(deliveryEnd, outbox, 0, writeRange(outbox.bytes, TAKEN, 0, 1));
  closeFd(deliveryEnd);
  // A child that another test starts right now has a copy of its end until it runs its own program.
  const reason = await until(
    'the reset',
    () => {
      try {
        lane.read();
        return undefined;
      } catch (error) {
        return error;
      }
    },
    (error) => error !== undefined,
  );
  t.true(reason instanceof RangeError && /ECONNRESET/.test(reason.message), String(reason));
  const back: number[] = [];
  lane.close((fd) => back.push(fd));
  t.deepEqual([taken, back], [[fds[0]], [fds[1]]]);
  for (const fd of fds) closeSync(fd);
});
