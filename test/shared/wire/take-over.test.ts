import test from 'ava';
import { commonTakeOverVersion } from '../../../shared/wire/take-over.ts';

const offer = (...versions: number[]): string => versions.map((n) => `baton-take-over/${n}`).join(', ');

test('a release and the one before or after it agree on the version that both speak', (t) => {
  // Of this release, of the next, and of the one behind that: each speaks its own version and the one before.
  const releases = [[1], [1, 2], [2, 3]];
  const agreed = releases.map((known) =>
    releases.map((other) => {
      try {
        return commonTakeOverVersion(offer(...other.toReversed()), known);
      } catch {
        return 0;
      }
    }),
  );
  t.deepEqual(agreed, [
    [1, 1, 0],
    [1, 2, 2],
    [0, 2, 3],
  ]);
});

test('whatever stands beside it in the header, a version is taken only where it is one', (t) => {
  t.is(commonTakeOverVersion('h2c,baton-take-over/1 , websocket'), 1);
  for (const header of [
    '',
    'baton-take-over',
    'xbaton-take-over/1',
    'baton-take-over/1x',
    'baton-take-over/-1',
  ])
    t.throws(
      () => commonTakeOverVersion(header),
      { message: /speaks version 2, 1 of the take-over, and not what/ },
      header,
    );
});
