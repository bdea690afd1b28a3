import test from 'ava';
import { Pulse } from '../../head/pulse.ts';

test('a worker that has not turned for four looks stands still, is told of once, and may go on', (t) => {
  const rows = [{ beats: 0 }, { beats: 0 }];
  const said: string[] = [];
  const say = (level: string) => (fields: unknown, text?: string) =>
    void said.push(`${level} ${(fields as { worker: number }).worker} ${text}`);
  const pulse = new Pulse(rows, () => true, {
    error: say('error') as never,
    warn: say('warn') as never,
  });
  const looks: boolean[] = [];
  for (let look = 0; look < 8; look++) {
    rows[0]!.beats++;
    looks.push(pulse.isThere());
  }
  t.deepEqual(looks, [true, true, true, true, false, false, false, false]);
  rows[1]!.beats = 100;
  t.true(pulse.isThere());
  t.deepEqual(said, ['error 1 a worker stands still', 'warn 1 a worker that stood still goes on']);
});

test('one that has ended is not missed', (t) => {
  const pulse = new Pulse([{ beats: 3 }], () => false, {
    error: () => t.fail(),
    warn: () => t.fail(),
  } as never);
  for (let look = 0; look < 10; look++) t.true(pulse.isThere());
});
