import { closeSync, openSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { ENDED, RETURNED, TAKEN } from '../../../shared/wire/lane.ts';
import { devNull, openLane, readAll, SLOT } from './open-lane.ts';

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

test('what was pushed and not sent cannot be taken', (t) => {
  const { lane, say } = openLane(t);
  lane.push(devNull);
  say(TAKEN, 0, 1);
  t.throws(() => lane.read(), { instanceOf: RangeError });
  lane.close(() => {});
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
