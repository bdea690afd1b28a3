import test from 'ava';
import fc from 'fast-check';
import { makeTag, tagKind, tagValue } from '../../../head/worker/connections.ts';

test('a tag says of what kind it is, and which one', (t) => {
  fc.assert(
    fc.property(fc.nat({ max: 3 }), fc.nat({ max: 2 ** 30 - 1 }), (kind, value) => {
      const tag = makeTag(kind, value);
      t.is(tagKind(tag), kind);
      t.is(tagValue(tag), value);
    }),
  );
});
