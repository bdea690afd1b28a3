import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { FdLane } from '../../../head/worker/fd-lane.ts';
import { EAGAIN, EPIPE } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { createFdMessenger } from '../../../shared/sys/pass-fds.ts';
import { closeFd, seqpacketPair, write } from '../../../shared/sys/sockets.ts';
import {
  CONNECTIONS,
  ENDED,
  laneMessage,
  RETURNED,
  readLane,
  TAKEN,
  writeEnded,
  writeRange,
} from '../../../shared/wire/lane.ts';

const SLOT = 5;
const inbox = createFdMessenger(64);
const outbox = allocate(4096);

/** A lane, what it reported, and a delivery at its other end with a copy of its own of that end. */
function openLane(t: ExecutionContext) {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const [sender, receiver] = seqpacketPair();
  inbox.fds[0] = deliveryEnd;
  inbox.send(sender, 1, 1);
  inbox.receive(receiver);
  const own = inbox.fds[0]!;
  closeFd(sender);
  closeFd(receiver);
  const events: [what: string, ...numbers: number[]][] = [];
  const lane = new FdLane(SLOT, headEnd, deliveryEnd, {
    onTaken: (slot, fd) => events.push(['taken', slot, fd]),
    onReturned: (slot, fd) => events.push(['returned', slot, fd]),
    onEnded: (slot, count) => events.push(['ended', slot, count]),
    onLate: () => events.push(['late']),
  });
  t.teardown(() => closeFd(own));
  return {
    lane,
    own,
    /** What was reported since it was asked last. */
    events: () => events.splice(0),
    /** One message that arrived, as [first, count, fds that came]; undefined when there is none. */
    receive() {
      const n = inbox.receive(own);
      if (n === EAGAIN || n === 0) return undefined;
      t.true(readLane(inbox.bytes, n));
      t.is(laneMessage.kind, CONNECTIONS);
      for (let i = 0; i < inbox.received; i++) closeFd(inbox.fds[i]!);
      return [laneMessage.first, laneMessage.count, inbox.received] as const;
    },
    /** >= 0, or -errno. */
    say: (kind: number, first: number, count: number) =>
      write(own, outbox, 0, writeRange(outbox.bytes, kind, first, count)),
    sayEnded: (count: number) => write(own, outbox, 0, writeEnded(outbox.bytes, count)),
    sayBytes(bytes: Uint8Array) {
      outbox.bytes.set(bytes);
      return write(own, outbox, 0, bytes.length);
    },
  };
}

const devNull = openSync('/dev/null', 'r');

/** Reads all that has arrived. */
function readAll(lane: FdLane): void {
  while (lane.read() !== 0);
}

test('connections arrive with their fds, in messages of at most 253', (t) => {
  const { lane, receive } = openLane(t);
  for (let i = 0; i < 300; i++) lane.push(devNull);
  t.is(receive(), undefined, 'nothing leaves before flush');
  t.true(lane.isBlocked);
  lane.flush();
  t.false(lane.isBlocked);
  t.is(lane.untaken, 300);
  t.deepEqual([receive(), receive(), receive()], [[0, 253, 253], [253, 47, 47], undefined]);
  lane.close(() => {});
});

test('while the delivery has others to take, connections gather, but not for long and not too many', (t) => {
  const { lane, receive, say } = openLane(t);
  lane.push(devNull);
  lane.gather(0);
  t.deepEqual(receive(), [0, 1, 1], 'nothing is gained by keeping the only one');
  t.true(lane.isBusy);
  lane.push(devNull);
  lane.gather(0.1);
  lane.push(devNull);
  lane.gather(0.9);
  t.is(receive(), undefined);
  lane.gather(1.1);
  t.deepEqual(receive(), [1, 2, 2], 'the first of them has waited for a millisecond');

  lane.push(devNull);
  lane.gather(2);
  say(TAKEN, 0, 3);
  readAll(lane);
  t.false(lane.isBusy, 'what was not sent keeps nobody busy');
  lane.gather(2.1);
  t.deepEqual(receive(), [3, 1, 1], 'the delivery has time for more');

  for (let i = 0; i < 64; i++) lane.push(devNull);
  lane.gather(2.2);
  t.deepEqual(receive(), [4, 64, 64], 'so many do not wait');
  lane.push(devNull);
  lane.gather(2.3);
  let untaken = 0;
  lane.close(() => untaken++);
  t.is(untaken, 1 + 64 + 1, 'those that still gather are given back as well');
});

test('taken, returned and ended are reported with the connection that they are about', (t) => {
  const { lane, events, say, sayEnded } = openLane(t);
  const [a, b, c] = [devNull, openSync('/dev/null', 'r'), openSync('/dev/null', 'r')];
  t.is(lane.oldestUntaken, -1);
  for (const fd of [a, b, c]) lane.push(fd);
  lane.flush();
  t.is(lane.oldestUntaken, a);
  say(TAKEN, 1, 1);
  readAll(lane);
  t.deepEqual(events(), [['taken', SLOT, b]]);
  t.is(lane.oldestUntaken, a, 'the one before it still waits');
  say(RETURNED, 0, 1);
  say(TAKEN, 2, 1);
  sayEnded(2);
  t.deepEqual([lane.read(), lane.read(), lane.read()], [RETURNED, TAKEN, ENDED]);
  t.deepEqual(events(), [
    ['returned', SLOT, a],
    ['taken', SLOT, c],
    ['ended', SLOT, 2],
  ]);
  t.is(lane.untaken, 0);
  t.is(lane.oldestUntaken, -1);
  t.is(lane.read(), 0, 'nothing more to read');
  lane.close(() => t.fail('nothing was untaken'));
  for (const fd of [b, c]) closeSync(fd);
});

test('a second word about a connection is late, not an error', (t) => {
  const { lane, events, say } = openLane(t);
  lane.push(devNull);
  lane.push(devNull);
  lane.flush();
  say(TAKEN, 0, 2);
  say(RETURNED, 1, 1);
  say(TAKEN, 0, 1);
  readAll(lane);
  t.deepEqual(
    events().map(([what]) => what),
    ['taken', 'taken', 'late', 'late'],
  );
  lane.close(() => t.fail('nothing was untaken'));
});

test('nonsense is a RangeError that says what was wrong', (t) => {
  for (const [bytes, message] of [
    [[0x93, TAKEN, 2, 1], /2 to 2, which were not sent/],
    [[0x93, TAKEN, 0xce, 0xff, 0xff, 0xff, 0xff, 1], /which were not sent/],
    [[0x93, RETURNED, 1, 2], /1 to 2, which were not sent/],
    [[0x92, ENDED, 1], /more connections ended/],
    [[0x93, CONNECTIONS, 0, 1], /of kind 1/],
    [[0x93, TAKEN, 0, 0], /message that is none/],
    [[0xc0], /message that is none/],
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

test('what was pushed and not sent cannot be taken', (t) => {
  const { lane, say } = openLane(t);
  lane.push(devNull);
  say(TAKEN, 0, 1);
  t.throws(() => lane.read(), { instanceOf: RangeError });
  lane.close(() => {});
});

test('a lane that the delivery has ended is an error with that reason', (t) => {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const lane = new FdLane(SLOT, headEnd, deliveryEnd, {
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

test('what a delivery took before it died with messages unread is its own', (t) => {
  const [headEnd, deliveryEnd] = seqpacketPair();
  const taken: number[] = [];
  const lane = new FdLane(SLOT, headEnd, deliveryEnd, {
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
  t.throws(() => lane.read(), { instanceOf: RangeError, message: /ECONNRESET/ });
  const back: number[] = [];
  lane.close((fd) => back.push(fd));
  t.deepEqual([taken, back], [[fds[0]], [fds[1]]]);
  for (const fd of fds) closeSync(fd);
});

test('a lane that is not read is full at 16384 connections and loses none of them', (t) => {
  const { lane } = openLane(t);
  let pushed = 0;
  while (!lane.isFull) {
    lane.push(devNull);
    lane.flush();
    pushed++;
  }
  t.is(pushed, 16_384);
  t.true(lane.isBlocked, 'the kernel does not hold as many');
  let back = 0;
  lane.close(() => back++);
  t.is(back, pushed);
});

test('any order of taking, returning and ending leaves the counts of a plain list', (t) => {
  const step = fc.record({
    what: fc.constantFrom('push', 'taken', 'returned', 'ended'),
    at: fc.nat({ max: 5 }),
    count: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { lane, events, receive, say, sayEnded } = openLane(t);
      const state: ('untaken' | 'taken' | 'returned')[] = [];
      let held = 0;
      for (const { what, at, count } of steps) {
        const expected: string[] = [];
        if (what === 'push') {
          for (let i = 0; i < count; i++) {
            lane.push(devNull);
            state.push('untaken');
          }
          lane.flush();
          t.deepEqual(receive(), [state.length - count, count, count]);
        } else if (what === 'ended') {
          if (held < count) continue;
          sayEnded(count);
          held -= count;
          expected.push('ended');
        } else {
          // A range near the end, where untaken ones are.
          const first = Math.max(0, state.length - 1 - at);
          const last = Math.min(state.length, first + count);
          if (last <= first) continue;
          say(what === 'taken' ? TAKEN : RETURNED, first, last - first);
          for (let id = first; id < last; id++) {
            expected.push(state[id] === 'untaken' ? what : 'late');
            if (state[id] === 'untaken') {
              state[id] = what;
              if (what === 'taken') held++;
            }
          }
        }
        readAll(lane);
        t.deepEqual(
          events().map(([name]) => name),
          expected,
        );
        t.is(lane.untaken, state.filter((each) => each === 'untaken').length);
      }
      let back = 0;
      lane.close(() => back++);
      t.is(back, state.filter((each) => each === 'untaken').length);
    }),
    { numRuns: 60 },
  );
});
