import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { Vigil } from '../../../infra/keeper/vigil.ts';

/** With how often it was read for, and how often silence was told. */
function vigilOf(withinMs: number, onRead: (vigil: Vigil) => void = () => {}) {
  const told = { reads: 0, silences: 0, whenSilent: Promise.withResolvers<void>() };
  const vigil: Vigil = new Vigil(
    withinMs,
    () => {
      told.reads++;
      onRead(vigil);
    },
    () => {
      told.silences++;
      told.whenSilent.resolve();
    },
  );
  return { vigil, told };
}

test.serial('silence is told once, when nothing is found that was said and not heard', async (t) => {
  const { vigil, told } = vigilOf(100);
  const began = performance.now();
  vigil.begin();
  await told.whenSilent.promise;
  t.true(performance.now() - began >= 95);
  await delay(150);
  t.like(told, { reads: 1, silences: 1 });
});

test.serial('a word that waits to be read counts, and so does each that is heard', async (t) => {
  const late = vigilOf(50, (vigil) => vigil.heard());
  late.vigil.begin();
  await delay(300);
  t.is(late.told.silences, 0);
  t.true(late.told.reads > 0);
  late.vigil.end();
  const { vigil, told } = vigilOf(100);
  vigil.begin();
  for (let i = 0; i < 20; i++) {
    vigil.heard();
    await delay(10);
  }
  t.is(told.silences, 0);
  vigil.end();
  await delay(200);
  t.is(told.silences, 0);
});

test.serial('of the time that its own process stood still one part counts', async (t) => {
  const { vigil, told } = vigilOf(200);
  vigil.begin();
  const end = performance.now() + 400;
  while (performance.now() < end);
  await delay(60);
  t.is(told.silences, 0);
  await told.whenSilent.promise;
  t.is(told.silences, 1);
});

test.serial('a first word where none is expected begins it', async (t) => {
  const { vigil, told } = vigilOf(50);
  vigil.heard();
  await told.whenSilent.promise;
  t.is(told.silences, 1);
});
