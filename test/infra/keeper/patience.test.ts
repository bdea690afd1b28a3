import test from 'ava';
import { Patience } from '../../../infra/keeper/patience.ts';

test('the next head starts at once, then later and later, and at once again after one that was well', (t) => {
  const patience = new Patience();
  const waits = Array.from({ length: 9 }, () => patience.next(50));
  t.deepEqual(waits, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  t.is(patience.next(10_000), 0);
  t.is(patience.next(9_999), 100);
});

test('ten in a row that never were ready are enough, and one that was ready begins the count anew', (t) => {
  const patience = new Patience();
  for (let i = 0; i < 9; i++) t.not(patience.next(undefined), undefined);
  t.not(patience.next(1), undefined);
  for (let i = 0; i < 9; i++) t.not(patience.next(undefined), undefined);
  t.is(patience.next(undefined), undefined);
});
