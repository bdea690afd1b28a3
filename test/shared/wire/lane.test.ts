import test from 'ava';
import fc from 'fast-check';
import { Packr, pack } from 'msgpackr';
import {
  CONNECTIONS,
  ENDED,
  LANE_MESSAGE_MAX,
  laneMessage,
  RETURNED,
  readLane,
  TAKEN,
  writeEnded,
  writeRange,
} from '../../../shared/wire/lane.ts';

const packr = new Packr({ int64AsType: 'number' });
const unpack = (bytes: Uint8Array) => packr.unpack(bytes);

const kinds = [CONNECTIONS, TAKEN, RETURNED];
const uint32 = fc.oneof(
  fc.nat({ max: 0xffffffff }),
  fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff),
);
const positive = uint32.map((value) => Math.max(1, value));
const into = Buffer.alloc(LANE_MESSAGE_MAX);

const read = (bytes: Uint8Array): boolean => readLane(bytes, bytes.length);

test('a range that is written is read back, and is MessagePack', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), uint32, positive, (kind, first, count) => {
      const bytes = into.subarray(0, writeRange(into, kind, first, count));
      t.true(read(bytes));
      t.deepEqual({ ...laneMessage }, { kind, first, count });
      t.deepEqual(unpack(bytes), [kind, first, count]);
    }),
  );
});

test('a count of ended connections that is written is read back, and is MessagePack', (t) => {
  fc.assert(
    fc.property(positive, (count) => {
      const bytes = into.subarray(0, writeEnded(into, count));
      t.true(read(bytes));
      t.deepEqual({ ...laneMessage }, { kind: ENDED, first: 0, count });
      t.deepEqual(unpack(bytes), [ENDED, count]);
    }),
  );
});

test('ids go on after 2^32 from the beginning', (t) => {
  t.true(read(into.subarray(0, writeRange(into, TAKEN, 2 ** 32 + 5, 1))));
  t.is(laneMessage.first, 5);
});

test('every width that another language may choose for a number is read', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), uint32, positive, (kind, first, count) => {
      // msgpackr writes 8 and 16 bits where they do, which this side does not.
      t.true(read(pack([kind, first, count])));
      t.deepEqual({ ...laneMessage }, { kind, first, count });
    }),
  );
  t.true(read(Uint8Array.from([0x93, 0xcc, 2, 0xcd, 0, 7, 0xce, 0, 0, 0, 9])), 'longer than need be');
  t.deepEqual({ ...laneMessage }, { kind: 2, first: 7, count: 9 });
});

/** An integer in each of MessagePack's forms that can hold it. */
const forms = (value: number): number[][] =>
  [1, 2, 4, 8].flatMap((width, at) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    const tail = [...bytes.subarray(8 - width)];
    return [
      ...(value < 2 ** (8 * width) ? [[0xcc + at, ...tail]] : []),
      ...(value < 2 ** (8 * width - 1) ? [[0xd0 + at, ...tail]] : []),
    ];
  });
const arrays = (count: number): number[][] => [[0x90 + count], [0xdc, 0, count], [0xdd, 0, 0, 0, count]];

test('a number and an array may have any of their forms, signed and 64 bits wide too', (t) => {
  for (const value of [
    1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
  ]) {
    for (const form of forms(value)) {
      for (const head of arrays(3)) {
        t.true(read(Uint8Array.from([...head, TAKEN, ...form, ...form])), `${head} ${form}`);
        t.deepEqual({ ...laneMessage }, { kind: TAKEN, first: value, count: value });
      }
      for (const head of arrays(2)) {
        t.true(
          read(Uint8Array.from([...head, 0xcf, 0, 0, 0, 0, 0, 0, 0, ENDED, ...form])),
          `${head} ${form}`,
        );
        t.deepEqual({ ...laneMessage }, { kind: ENDED, first: 0, count: value });
      }
    }
  }
});

test('a number below 0 or above 2^32 - 1 is refused in whatever form', (t) => {
  const outside = [
    [0xff],
    [0xd0, 0xff],
    [0xd1, 0xff, 0xff],
    [0xd2, 0xff, 0xff, 0xff, 0xff],
    [0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 1],
    [0xcf, 0, 0, 0, 1, 0, 0, 0, 0],
    [0xd3, 0, 0, 0, 1, 0, 0, 0, 0],
    [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    // A float, which is none of the forms of an integer.
    [0xca, 0x40, 0, 0, 0],
    [0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0],
  ];
  for (const number of outside) {
    t.false(read(Uint8Array.from([0x93, TAKEN, ...number, 1])), `first ${number}`);
    t.false(read(Uint8Array.from([0x93, TAKEN, 0, ...number])), `count ${number}`);
    t.false(read(Uint8Array.from([0x92, ENDED, ...number])), `ended ${number}`);
    t.false(read(Uint8Array.from([0x93, ...number, 0, 1])), `kind ${number}`);
  }
  for (const form of forms(0xffffff))
    for (let cut = 1; cut < form.length; cut++)
      t.false(read(Uint8Array.from([0x93, TAKEN, 0, ...form.slice(0, cut)])), `cut ${form.slice(0, cut)}`);
});

test('what is accepted is exactly one message of the protocol, whatever bytes come', (t) => {
  let accepted = 0;
  const byte = fc.nat({ max: 255 });
  const small = fc.nat({ max: 5 }).map((value) => [value]);
  const wide = fc.tuple(
    fc.constantFrom(0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xc0),
    fc.array(byte, { maxLength: 8 }),
  );
  const number = fc.oneof(
    small,
    small,
    wide.map(([head, rest]) => [head, ...rest]),
  );
  const start = fc.constantFrom([0x92], [0x93], [0x93], [0x94], [0xdc, 0, 3], [0xdd, 0, 0, 0, 2]);
  const message = fc
    .tuple(start, fc.array(number, { minLength: 2, maxLength: 4 }))
    .map(([head, rest]) => [head, ...rest].flat());
  fc.assert(
    fc.property(
      fc.oneof(message, fc.array(byte, { maxLength: 24 })).map((bytes) => Uint8Array.from(bytes)),
      (bytes) => {
        if (!read(bytes)) return;
        accepted++;
        const { kind, first, count } = laneMessage;
        t.deepEqual(unpack(bytes), kind === ENDED ? [kind, count] : [kind, first, count]);
        t.true(kind >= CONNECTIONS && kind <= ENDED && count > 0);
      },
    ),
    { numRuns: 10_000 },
  );
  t.true(accepted > 30, `only ${accepted} were accepted`);
});

test('garbage is refused', (t) => {
  for (const bytes of [
    [],
    [0x93],
    [0x93, TAKEN, 0],
    [0x93, TAKEN, 0, 0],
    [0x92, TAKEN, 0, 1],
    [0x92, TAKEN, 1],
    [0x93, ENDED, 1, 1],
    [0x92, ENDED, 0],
    [0x94, TAKEN, 0, 1, 0],
    [0x93, TAKEN, 0, 1, 0],
    [0x93, 0, 0, 1],
    [0x93, 5, 0, 1],
    [0x93, TAKEN, 0xff, 1],
    [0x93, TAKEN, 0xc0, 1],
    [0x93, TAKEN, 0xce, 0, 0, 1],
    [0xdc, 0, 3, TAKEN, 0],
    [0xdd, 0, 0, 3, TAKEN, 0, 1],
    [0xdd, 1, 0, 0, 3, TAKEN, 0, 1],
    [...Buffer.from('GET / HTTP/1.1\r\n')],
  ]) {
    t.false(read(Uint8Array.from(bytes)), JSON.stringify(bytes));
  }
  const long = Buffer.alloc(LANE_MESSAGE_MAX + 1);
  long.set([0x93, TAKEN, 0, 1]);
  t.false(read(long), 'longer than any message');
});

test('bytes beyond the length do not count', (t) => {
  const bytes = Uint8Array.from([0x93, TAKEN, 0, 0xcd, 1, 2]);
  t.true(readLane(bytes, 6));
  for (let length = 0; length < 6; length++) t.false(readLane(bytes, length), `${length}`);
});
