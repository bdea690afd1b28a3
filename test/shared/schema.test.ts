/** The checks of settings and messages, held against zod, whose part they are. */
import test from 'ava';
import fc from 'fast-check';
import { z as zod } from 'zod';
import * as z from '../../shared/schema.ts';

const scalar = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.constantFrom(
    'a',
    'b',
    'up',
    '',
    '12',
    12,
    0,
    -0,
    -1,
    1.5,
    2 ** 53,
    Number.NaN,
    Infinity,
    5n,
    null,
    undefined,
    true,
  ),
  fc.integer({ min: -3, max: 12 }),
);
const anything = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 4 }),
  fc.record(
    {
      type: fc.constantFrom('a', 'b', 'c', 7),
      n: scalar,
      list: fc.oneof(fc.array(fc.nat(9), { maxLength: 4 }), scalar),
      text: scalar,
    },
    { requiredKeys: [] },
  ),
  fc.object({ maxDepth: 2 }),
);

const pairs: Record<string, [z.Schema<unknown>, zod.ZodType]> = {
  text: [z.string().min(1).max(4), zod.string().min(1).max(4)],
  'text like a pattern': [z.string().regex(/^[ab]/), zod.string().regex(/^[ab]/)],
  'a whole number': [z.int().min(0).max(9), zod.int().min(0).max(9)],
  'any whole number': [z.int(), zod.int()],
  'a number': [z.number().positive(), zod.number().positive()],
  'one of': [z.enum(['a', 'up']), zod.enum(['a', 'up'])],
  'may be null': [z.string().nullable(), zod.string().nullable()],
  'may be left out': [z.string().optional(), zod.string().optional()],
  'has a default': [z.int().default(7), zod.int().default(7)],
  'a list': [z.array(z.int().min(1)).max(3), zod.array(zod.int().min(1)).max(3)],
  'a map': [
    z.object({ n: z.int().optional(), text: z.string().default('x') }),
    zod.object({ n: zod.int().optional(), text: zod.string().default('x') }),
  ],
  'a strict map': [z.strictObject({ n: z.int().optional() }), zod.strictObject({ n: zod.int().optional() })],
  'maps told apart': [
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('a'), n: z.int() }),
      z.object({ type: z.literal('b'), list: z.array(z.int()) }).refine(({ list }) => list.length > 1, 'few'),
    ]),
    zod.discriminatedUnion('type', [
      zod.object({ type: zod.literal('a'), n: zod.int() }),
      zod
        .object({ type: zod.literal('b'), list: zod.array(zod.int()) })
        .refine(({ list }) => list.length > 1, 'few'),
    ]),
  ],
};

for (const [name, [own, theirs]] of Object.entries(pairs)) {
  test(`${name}: the same values pass as with zod, and come out the same`, (t) => {
    const seen = { passed: 0, refused: 0 };
    fc.assert(
      fc.property(anything, (value) => {
        const mine = own.safeParse(value);
        const expected = theirs.safeParse(value);
        t.is(mine.success, expected.success, JSON.stringify(fc.stringify(value)));
        if (mine.success && expected.success) t.deepEqual(mine.data, expected.data);
        if (
          !mine.success &&
          !expected.success &&
          mine.issue.unknownKey === undefined &&
          mine.issue.path.length > 0
        )
          t.true(
            expected.error.issues.some(({ path }) => path.join() === mine.issue.path.join()),
            `${mine.issue.path.join()}: ${expected.error.message}`,
          );
        seen[mine.success ? 'passed' : 'refused']++;
      }),
      { numRuns: 3000 },
    );
    t.true(seen.passed > 0 && seen.refused > 0, JSON.stringify(seen));
  });
}

test('what is inherited is no key, and a prototype cannot be set', (t) => {
  const map = z.object({ toString: z.string().optional(), n: z.int().optional() });
  t.deepEqual(map.safeParse({}), { success: true, data: {} } as never);
  const read = map.safeParse(JSON.parse('{"__proto__": {"n": 5}}'));
  t.true(read.success && !('n' in read.data));
});

test('a number is refused with both of its bounds, whichever it missed', (t) => {
  for (const value of [0, 129, '5', 1.5]) {
    const result = z.int().min(1).max(128).safeParse(value);
    t.is(!result.success && result.issue.message, 'expected a whole number from 1 to 128');
  }
});
