import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { Expected } from '../../head/take-over/expected.ts';
import type { HeadSettings } from '../../shared/config.ts';

const settings = { firstDeliveryWithin: 50, stallTimeout: 400 } as HeadSettings;

/** Resolves with the milliseconds until visitors are accepted. */
function wait(names: readonly string[] | undefined) {
  const began = performance.now();
  const { promise, resolve } = Promise.withResolvers<number>();
  return {
    expected: Expected.of(names, settings, () => resolve(performance.now() - began)),
    enough: promise,
  };
}

test.serial('when all are back nobody waits any longer', async (t) => {
  const { expected, enough } = wait(['a', 'b']);
  expected.up(['a']);
  expected.up(['a', 'b', 'another']);
  t.true((await enough) < 50);
  expected.close();
});

test.serial('others are waited for a tenth of a second after the first', async (t) => {
  const { expected, enough } = wait(['a', 'b', 'c']);
  expected.up(['c']);
  await delay(60);
  // The second one makes it no longer.
  expected.up(['c', 'b']);
  const took = await enough;
  t.true(took >= 95 && took < 300, `${took}`);
  expected.close();
});

test.serial(
  'the first is waited for as long as one that is busy; where nobody is known, as after a start; for none, not at all',
  async (t) => {
    t.true((await wait(['a']).enough) >= 395);
    const unknown = await wait(undefined).enough;
    t.true(unknown >= 45 && unknown < 350, `${unknown}`);
    t.true((await wait([]).enough) < 45);
  },
);
