import test from 'ava';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { BatonError } from '../../../shared/errors.ts';
import {
  asOfVersion,
  CONTROL_MESSAGE_MAX,
  decodeFromDelivery,
  decodeFromHead,
  encodeControl,
  type FromDelivery,
  type FromHead,
  type Hello,
  LANES_MAX,
  PROTOCOL_VERSION,
  versionFor,
} from '../../../shared/wire/control.ts';

const plain = new Packr({ useRecords: false, variableMapSize: true });
const hello: Hello = {
  type: 'hello',
  version: PROTOCOL_VERSION,
  name: 'd1',
  pid: 4321,
  credits: 100,
  weight: 1,
  direct: '127.0.0.1:8081',
  active: 0,
};

/** What is wrong with a message, in the head's words or the delivery's. */
function problem(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string {
  try {
    decode(bytes);
  } catch (error) {
    if (error instanceof BatonError && error.code === 'PROTOCOL') return String(error.details.problem);
    throw error;
  }
  throw new Error('accepted');
}

test('every message of a delivery is read as it was written', (t) => {
  const messages: FromDelivery[] = [
    hello,
    { ...hello, direct: null, active: 7 },
    { ...hello, moves: 'state' },
    { type: 'pong', direct: 1, left: { busy: 2, stays: 0 } },
    { type: 'draining' },
    { type: 'pong', direct: 0 },
    { type: 'pong', direct: 0xffffffff },
    { type: 'ended', count: 3 },
  ];
  for (const message of messages) t.deepEqual(decodeFromDelivery(encodeControl(message)), message);
});

test('every message of a head is read as it was written', (t) => {
  const messages: FromHead[] = [
    { type: 'welcome', version: 1, session: '9f86d081', lanes: LANES_MAX },
    { type: 'refused', code: 'NAME_TAKEN', reason: 'because' },
    { type: 'ping' },
    { type: 'drained' },
    { type: 'dismissed', reason: '' },
    { type: 'move', on: false },
    { type: 'distribute', by: null, key: 'nothing', leaseMs: 1, deliveries: [] },
    {
      type: 'distribute',
      by: 'hash',
      key: 'path',
      leaseMs: 1000,
      deliveries: Array.from({ length: 64 }, (_, i) => ({ name: `${i}`.padStart(64, 'a'), weight: 1000 })),
    },
    { type: 'welcome', version: 2, session: 'a', lanes: 2, moves: true },
  ];
  for (const message of messages) t.deepEqual(decodeFromHead(encodeControl(message)), message);
});

test('a message is a plain map, so that other languages can read it', (t) => {
  t.is(encodeControl({ type: 'ping' }).toString('hex'), '81a474797065a470696e67');
  t.is(encodeControl({ ...hello, direct: null })[0], 0x88);
});

test('a hello is refused for each value that is out of its bounds, which is named', (t) => {
  const bad: Record<keyof Omit<Hello, 'type'>, unknown[]> = {
    version: [1.5, '1', null],
    name: ['', '-a', '.a', 'a b', 'a/b', 'a\n', 'ä', 'a'.repeat(65), 7],
    pid: [0, -1, 1.5],
    credits: [0, 1_000_001, 1.5, '5', Number.NaN],
    weight: [0, 1001, -1],
    direct: [
      '',
      'host',
      'host:',
      ':80',
      'a b:80',
      'host:80/x',
      'host:123456',
      'host:65536',
      'host:0',
      'h:1\r\nX: y',
      '::1:80',
      'u@h:80',
      5,
    ],
    active: [-1, 2 ** 32, 0.5],
    directTls: ['no', true, null],
    moves: ['no', true, null],
    looks: [false, 1, null],
    serves: [
      [],
      null,
      'shop.example',
      ['Shop.example'],
      ['a b'],
      ['a..b'],
      ['.a'],
      ['a.'],
      ['*a.b'],
      ['a.*'],
      ['**'],
      ['-a'],
      ['ä'],
      ['a:1'],
      [7],
      [`${'a'.repeat(64)}.b`],
      [`${'a.'.repeat(127)}a`],
      new Array(201).fill('a'),
      Array.from({ length: 40 }, (_, i) => `${'a.'.repeat(120)}${i}`),
    ],
  };
  const optional = new Set(['serves', 'directTls', 'moves', 'looks']);
  for (const [key, values] of Object.entries(bad)) {
    for (const value of optional.has(key) ? values : [...values, undefined]) {
      const text = problem(decodeFromDelivery, plain.pack({ ...hello, [key]: value }));
      const named = text.replace(/^(a control message with a bad serves)\.\d+/, '$1');
      t.true(named.startsWith(`a control message with a bad ${key}: `), `${key} ${value}: ${text}`);
    }
  }
});

test('a hello may have each value at the end of its bounds', (t) => {
  for (const message of [
    { ...hello, name: 'a'.repeat(64), credits: 1_000_000, weight: 1000, active: 0xffffffff },
    { ...hello, name: '0._-Z', credits: 1, direct: '[2001:db8::1]:65535' },
    { ...hello, version: 99, direct: 'name.example:80' },
    {
      ...hello,
      serves: ['*', '*.img.example', 'xn--bcher-kva.example', 'a', '1', '_x.y-z', `${'a.'.repeat(126)}b`],
    },
    { ...hello, serves: Array.from({ length: 200 }, (_, i) => `n${i}.example`) },
  ]) {
    t.deepEqual(decodeFromDelivery(encodeControl(message)), message);
  }
});

/** A map as another language may write it: each value is the bytes of its MessagePack. */
function mapOf(entries: Record<string, readonly number[]>): Buffer {
  const parts = Object.entries(entries).flatMap(([key, value]) => [...plain.pack(key), ...value]);
  return Buffer.from([0x80 + Object.keys(entries).length, ...parts]);
}
const packed = (value: unknown): number[] => [...plain.pack(value)];
const wide = (head: number, value: bigint): number[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return [head, ...bytes];
};
const UINT64 = 0xcf;
const INT64 = 0xd3;

test('integers may be written in 64 bits, signed or not, in every message', (t) => {
  const numbers = ['version', 'pid', 'credits', 'weight', 'active'] as const;
  for (const head of [UINT64, INT64]) {
    const entries: Record<string, number[]> = Object.fromEntries(
      Object.entries(hello).map(([key, value]) => [key, packed(value)]),
    );
    for (const key of numbers) entries[key] = wide(head, BigInt(hello[key]));
    t.deepEqual(decodeFromDelivery(mapOf(entries)), hello);
    const count = wide(head, 0xffff_ffffn);
    t.deepEqual(decodeFromDelivery(mapOf({ type: packed('pong'), direct: count })), {
      type: 'pong',
      direct: 0xffffffff,
    });
    t.deepEqual(decodeFromDelivery(mapOf({ type: packed('ended'), count })), {
      type: 'ended',
      count: 0xffffffff,
    });
    for (const value of [-1n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const text = problem(decodeFromDelivery, mapOf({ type: packed('ended'), count: wide(head, value) }));
      t.is(text, 'a control message with a bad count: expected a whole number from 0 to 4294967295');
    }
  }
});

test('text is a string of any width, and no binary', (t) => {
  for (const head of [[0xa4], [0xd9, 4], [0xda, 0, 4], [0xdb, 0, 0, 0, 4]])
    t.deepEqual(decodeFromHead(mapOf({ type: [...head, ...Buffer.from('ping')] })), { type: 'ping' });
  t.regex(problem(decodeFromHead, mapOf({ type: [0xc4, 4, ...Buffer.from('ping')] })), /a bad type/);
});

test('keys that this version does not know are left out', (t) => {
  const bytes = plain.pack({ ...hello, colour: 'red', nested: { deep: [1, 2] } });
  t.deepEqual(decodeFromDelivery(bytes), hello);
  t.deepEqual(decodeFromHead(plain.pack({ type: 'ping', since: 5 })), { type: 'ping' });
});

test('a side does not listen to what only the other may say', (t) => {
  t.regex(problem(decodeFromDelivery, encodeControl({ type: 'ping' })), /bad type/);
  t.regex(problem(decodeFromHead, encodeControl({ type: 'draining' })), /bad type/);
  t.regex(
    problem(decodeFromHead, plain.pack({ type: 'welcome', version: 1, session: 's', lanes: 129 })),
    /bad lanes/,
  );
  t.regex(problem(decodeFromHead, plain.pack({ type: 'dismissed', reason: 'x'.repeat(1025) })), /bad reason/);
});

test('a message that is too long is refused, and one that is just not is read', (t) => {
  const withNote = (length: number) => plain.pack({ type: 'draining', note: 'x'.repeat(length) });
  const room = CONTROL_MESSAGE_MAX - withNote(1000).length + 1000;
  t.is(withNote(room).length, CONTROL_MESSAGE_MAX);
  t.deepEqual(decodeFromDelivery(withNote(room)), { type: 'draining' });
  t.is(
    problem(decodeFromDelivery, withNote(room + 1)),
    `a control message of ${CONTROL_MESSAGE_MAX + 1} bytes`,
  );
});

test('bytes that are no message are a PROTOCOL error, and nothing else, whatever they are', (t) => {
  for (const value of [null, 5, 'hello', [], ['hello'], {}, { type: 7 }, { type: 'helo' }, true]) {
    t.regex(problem(decodeFromDelivery, plain.pack(value)), /^a control message with a bad type: /);
  }
  t.is(problem(decodeFromDelivery, Buffer.from('')), 'a control message that is not MessagePack');
  t.is(
    problem(decodeFromDelivery, encodeControl(hello).subarray(0, 20)),
    'a control message that is not MessagePack',
  );
  const whole = encodeControl(hello);
  const spoilt = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })).map(([at, byte]) => {
    const bytes = Buffer.from(whole);
    bytes[at] = byte;
    return bytes;
  });
  const any = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(any, spoilt), (bytes) => {
      try {
        t.is(decodeFromDelivery(bytes).type, 'hello');
      } catch (error) {
        t.true(error instanceof BatonError && error.code === 'PROTOCOL', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a hello says the lowest version that has what it says, and means what that version has', (t) => {
  t.is(versionFor({}), 1);
  t.is(versionFor({ serves: ['a'] }), 2);
  t.deepEqual(asOfVersion({ ...hello, version: 2, serves: ['a'] }, 2).serves, ['a']);
  const early: Hello = { ...hello, version: 1, serves: ['a'] };
  t.is(asOfVersion(early, 2).serves, undefined);
  for (const version of [0, 3, -1])
    t.throws(() => asOfVersion({ ...hello, version }, 2), { code: 'VERSION_MISMATCH' });
});
