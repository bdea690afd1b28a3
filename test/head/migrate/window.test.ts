/** How many connections are under way to a delivery at once, for how quick it is. */
import test from 'ava';
import { Window } from '../../../head/migrate/window.ts';

/** Answers of a delivery that needs so long for each, one after the other, with the window always full. */
function sizeAfter(seconds: number, millisEach: number): number {
  const window = new Window();
  for (let now = 0; now < seconds * 1000; now += millisEach)
    window.took(window.size * millisEach, window.size, now);
  return window.size;
}

test('the window follows how quick a delivery is', (t) => {
  t.true(sizeAfter(60, 0.01) > 1000, 'a very quick one');
  const usual = sizeAfter(60, 0.7);
  t.true(usual >= 20 && usual <= 120, `0.7 ms each: ${usual}`);
  t.true(sizeAfter(60, 10) <= 8, 'a slow one');
  t.true(sizeAfter(60, 1000) >= 1, 'but never none');
});

test('what is late together shrinks it once', (t) => {
  const window = new Window();
  const before = window.size;
  for (let i = 0; i < 30; i++) window.took(500, before, 1000 + i);
  t.is(window.size, before / 2);
  window.took(500, before, 1600);
  t.is(window.size, before / 4);
});

test('it grows only when it was the limit', (t) => {
  const window = new Window();
  const before = window.size;
  for (let i = 0; i < 100; i++) window.took(1, 3, i);
  t.is(window.size, before);
  for (let i = 0; i < 10; i++) window.took(1, window.size, i);
  t.is(window.size, before + 10);
});
