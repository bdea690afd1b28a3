import test from 'ava';
import {
  HELLO_BYTES,
  HELLO_COMPLETE,
  HELLO_INCOMPLETE,
  HELLO_MALFORMED,
  HELLO_SSLV2,
  HELLO_TOO_LONG,
  judgeSslV2,
} from '../../../head/worker/inspect/client-hello.ts';
import { nameIn, nameInAuthority } from '../../../head/worker/inspect/name.ts';
import { seededRandom } from '../../../infra/statistics/random.ts';
import {
  intoRecords,
  messageOf,
  type Reading,
  type Recorded,
  readPlainly,
  recordChromium,
  recordCommon,
  recordCurl,
} from '../../support/hellos.ts';
import { needing } from '../../support/needs.ts';
import { assertOneVerdict, read, reader } from './read-hello.ts';

let hellos: Recorded[];

test.before(async () => {
  hellos = await recordCommon();
});

const nameOf = (text: string): string => nameIn(Buffer.from(text, 'latin1'), 0, text.length);

function assertHello(
  t: { deepEqual(a: unknown, b: unknown, m?: string): void; is(a: unknown, b: unknown, m?: string): void },
  { what, bytes, name }: Recorded,
): void {
  const whole = read(bytes);
  t.is(whole.is, 'complete', what);
  t.deepEqual(whole, readPlainly(bytes), what);
  if (whole.is === 'complete') t.is(nameOf(whole.name), name, what);
  assertOneVerdict(t, bytes);
  const message = messageOf(bytes);
  // Two records at every byte; three to five at some.
  for (let at = 1; at < message.length; at++)
    t.deepEqual(read(intoRecords(message, [at])), whole, `${what}, two records, cut at ${at}`);
  for (const sizes of [[1], [3, 1], [4, 1, 1], [1, 1, 1, 1], [40, 100, 60, 1], [message.length - 1]])
    assertOneVerdict(t, intoRecords(message, sizes));
  const random = seededRandom(what.length);
  for (let i = 0; i < 300; i++) {
    const sizes = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      Math.ceil((random() * message.length) / 3),
    );
    t.deepEqual(read(intoRecords(message, sizes)), whole, `${what}, records of ${sizes}`);
  }
  // What follows is nobody's business here: early data, say.
  t.deepEqual(read(Buffer.concat([bytes, Buffer.from([23, 3, 3, 0, 9])])), whole);
}

test('the hellos of OpenSSL, Node and RFC 8448 have one verdict, cut at every byte and into one to five records', (t) => {
  for (const hello of hellos) assertHello(t, hello);
  const pq = hellos.find(({ what }) => what.includes('post-quantum'))!;
  t.true(pq.bytes.length > 1500, 'more than one segment of an Ethernet');
  const reading = read(pq.bytes);
  t.deepEqual(reading.is === 'complete' && reading.alpn, ['h2', 'http/1.1']);
  t.deepEqual(reading.is === 'complete' && reading.versions, [0x0304, 0x0303]);
});

needing('curl')('so has that of curl', async (t) => {
  const hello = await recordCurl();
  assertHello(t, hello);
});

needing('chromium')('so has that of Chromium, with GREASE and the outer hello of ECH', async (t) => {
  const hello = await recordChromium();
  assertHello(t, hello);
  const reading = read(hello.bytes);
  t.true(reading.is === 'complete' && reading.alpn.includes('h2'));
  t.true(reading.is === 'complete' && reading.versions.includes(0x0304));
  t.true(hello.bytes.includes(Buffer.from([0xfe, 0x0d])), 'encrypted_client_hello');
});

// --- by hand ---

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const vector16 = (...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(body.length), body]);
};
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), vector16(body)]);
const hostName = (name: string): Buffer => vector16(Buffer.from([0]), vector16(Buffer.from(name, 'latin1')));
const sni = (name: string): Buffer => extension(0, hostName(name));
const padding = (size: number): Buffer => extension(21, Buffer.alloc(size));

function hello(extensions: Buffer | undefined, changes: { session?: number; ciphers?: Buffer } = {}): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([changes.session ?? 0]),
    Buffer.alloc(changes.session ?? 0),
    vector16(changes.ciphers ?? Buffer.from([0x13, 0x01])),
    Buffer.from([1, 0]),
    ...(extensions ? [vector16(extensions)] : []),
  ]);
  const size = Buffer.from([body.length >> 16, (body.length >> 8) & 255, body.length & 255]);
  return Buffer.concat([Buffer.from([1]), size, body]);
}
const flight = (message: Buffer): Buffer =>
  intoRecords(message, message.length > 16_384 ? [16_384] : [message.length]);

test('a name is one host name, of 1 to 255 bytes', (t) => {
  const cases: [string, Buffer, Reading['is']][] = [
    ['a name', sni('a.example'), 'complete'],
    ['the longest', sni('a'.repeat(255)), 'complete'],
    ['longer', sni('a'.repeat(256)), 'malformed'],
    ['none', sni(''), 'malformed'],
    ['a zero byte', sni('a\0b'), 'malformed'],
    ['an empty extension', extension(0, Buffer.alloc(0)), 'malformed'],
    ['an empty list', extension(0, u16(0)), 'malformed'],
    ['another type', extension(0, vector16(Buffer.from([1]), vector16(Buffer.from('a')))), 'malformed'],
    [
      'two names',
      extension(
        0,
        vector16(Buffer.from([0]), vector16(Buffer.from('a')), Buffer.from([0]), vector16(Buffer.from('b'))),
      ),
      'malformed',
    ],
    ['a byte after the list', extension(0, Buffer.concat([hostName('a'), Buffer.from([0])])), 'malformed'],
    ['twice', Buffer.concat([sni('a'), sni('a')]), 'malformed'],
  ];
  for (const [what, extensions, is] of cases) {
    const bytes = flight(hello(extensions));
    t.is(read(bytes).is, is, what);
    t.deepEqual(read(bytes), readPlainly(bytes), what);
    assertOneVerdict(t, bytes);
  }
});

test('extensions come once, and pre_shared_key last', (t) => {
  const psk = extension(41, Buffer.from([1, 2, 3]));
  const cases: [Buffer, Reading['is']][] = [
    [Buffer.concat([sni('a'), psk]), 'complete'],
    [Buffer.concat([psk, sni('a')]), 'malformed'],
    [Buffer.concat([extension(0x1234, u16(1)), extension(0x1234, u16(1))]), 'malformed'],
    [Buffer.concat([extension(0x0a0a, u16(0)), sni('a'), extension(0x1a1a, u16(0))]), 'complete'],
    [extension(16, vector16(Buffer.from([0]))), 'malformed'],
    [extension(16, vector16()), 'malformed'],
    [extension(16, vector16(Buffer.from([5, 65]))), 'malformed'],
    [extension(43, Buffer.from([2, 3, 4])), 'complete'],
    [extension(43, Buffer.from([0])), 'malformed'],
    [extension(43, Buffer.from([3, 3, 4, 3])), 'malformed'],
    [extension(43, Buffer.from([2, 3, 4, 3])), 'malformed'],
    [Buffer.alloc(0), 'complete'],
  ];
  for (const [extensions, is] of cases) {
    const bytes = flight(hello(extensions));
    t.is(read(bytes).is, is, extensions.toString('hex'));
    assertOneVerdict(t, bytes);
  }
  t.is(read(flight(hello(undefined))).is, 'complete', 'of TLS 1.2 there need be no extensions');
  t.is(read(flight(hello(sni('a'), { session: 32 }))).is, 'complete');
  t.is(read(flight(hello(sni('a'), { session: 33 }))).is, 'malformed');
  t.is(read(flight(hello(sni('a'), { ciphers: Buffer.alloc(3) }))).is, 'malformed');
  t.is(read(flight(hello(sni('a'), { ciphers: Buffer.alloc(0) }))).is, 'malformed');
});

test('GREASE is in no list', (t) => {
  const offered = vector16(Buffer.from([2, 0x4a, 0x4a, 2]), Buffer.from('h2'));
  const versions = Buffer.from([6, 0xca, 0xca, 3, 4, 3, 3]);
  const reading = read(flight(hello(Buffer.concat([extension(16, offered), extension(43, versions)]))));
  t.deepEqual(reading, { is: 'complete', name: '', alpn: ['h2'], versions: [0x0304, 0x0303] });
});

test('16 kB of a hello in 128 records are read, and one byte or one record more is too long', (t) => {
  const longest = hello(Buffer.concat([sni('long.example'), padding(16_384 - 43 - 4 - 21)]));
  t.is(longest.length, 4 + 16_384);
  for (const bytes of [flight(longest), intoRecords(longest, new Array(127).fill(129))]) {
    const reading = read(bytes);
    t.is(reading.is === 'complete' && reading.name, 'long.example');
    t.true(bytes.length <= HELLO_BYTES);
  }
  t.is(intoRecords(longest, new Array(127).fill(100)).length, HELLO_BYTES);
  t.is(read(intoRecords(longest, new Array(128).fill(100))).is, 'too long');
  const longer = hello(padding(16_384 - 43 - 4 + 1));
  t.is(longer.length, 4 + 16_384 + 1);
  t.is(read(flight(longer).subarray(0, 9)).is, 'too long', 'known with its length');
  assertOneVerdict(t, intoRecords(longest, new Array(127).fill(1)).subarray(0, 1000));
});

test('what is wrong is known by its first wrong byte', (t) => {
  const good = flight(hello(Buffer.concat([sni('a.example'), padding(50)])));
  const cases: [string, number, number][] = [
    ['another version', 1, 2],
    ['an empty record', 4, 0],
    ['another message', 5, 2],
    ['an older version', 9, 2],
    ['a long session id', 43, 33],
    ['an odd number of cipher bytes', 45, 3],
    ['no compression', 48, 0],
    ['extensions that end early', 51, 1],
  ];
  for (const [what, at, value] of cases) {
    const bytes = Buffer.from(good);
    if (at === 4) bytes[3] = 0;
    bytes[at] = value;
    t.is(reader.read(bytes, at), HELLO_INCOMPLETE, `${what}: before it`);
    t.is(reader.read(bytes, at + 1), HELLO_MALFORMED, what);
  }
  const records = intoRecords(messageOf(good), [20]);
  for (const [at, value] of [
    [25, 23],
    [26, 2],
  ] as const) {
    const bytes = Buffer.from(records);
    bytes[at] = value;
    t.is(reader.read(bytes, at + 1), HELLO_MALFORMED, 'another record within a hello');
  }
});

test('it asks for a record header, then for the record, and no more', (t) => {
  const message = hello(Buffer.concat([sni('a.example'), padding(1000)]));
  const bytes = intoRecords(message, [2, 500]);
  const needs: number[] = [];
  for (let length = 1; ; length = reader.needed) {
    if (reader.read(bytes, length) !== HELLO_INCOMPLETE) break;
    needs.push(reader.needed);
  }
  t.deepEqual(needs, [5, 7, 12, 512, 517, bytes.length]);
});

test('SSL 2.0 is known by its hello', (t) => {
  const v2 = Buffer.from([0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]);
  t.is(judgeSslV2(v2, 4), HELLO_INCOMPLETE);
  t.is(judgeSslV2(v2, 5), HELLO_SSLV2);
  t.is(judgeSslV2(Buffer.from([0x80, 0x2e, 1, 3, 1]), 5), HELLO_SSLV2, 'in its form');
  t.is(judgeSslV2(Buffer.from([0x80, 0x2e, 4]), 3), HELLO_MALFORMED);
  t.is(judgeSslV2(Buffer.from([0x80, 0x2e, 1, 9]), 4), HELLO_MALFORMED);
});

test('a name is in lower case and without the dot at its end, and an address is none', (t) => {
  for (const [sent, name] of [
    ['Shop.EXAMPLE', 'shop.example'],
    ['shop.example.', 'shop.example'],
    ['.', ''],
    ['192.0.2.1', ''],
    ['192.0.2.1.', ''],
    ['2001:db8::1', ''],
    ['1', ''],
    ['a1', 'a1'],
    ['1.example', '1.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['[\xc9@', '[\xc9@'],
  ] as const)
    t.is(nameOf(sent), name, sent);
  for (const [sent, name] of [
    [' Shop.Example:8080 \r', 'shop.example'],
    ['shop.example.:8080', 'shop.example'],
    ['user:pass@shop.example:1', 'shop.example'],
    ['shop.example:', 'shop.example'],
    ['[2001:db8::1]:80', ''],
    ['2001:db8::1', ''],
    ['192.0.2.1:80', ''],
    ['', ''],
    ['a:b', ''],
  ] as const)
    t.is(nameInAuthority(Buffer.from(sent, 'latin1'), 0, sent.length), name, sent);
});

test('its cost is that of its length, however many records it is cut into', (t) => {
  const message = hello(Buffer.concat([sni('a.example'), padding(16_000)]));
  const bytes = intoRecords(message, new Array(127).fill(100));
  let calls = 0;
  for (let length = 1; ; length = reader.needed) {
    calls++;
    const verdict = reader.read(bytes, length);
    if (verdict === HELLO_COMPLETE) break;
    t.is(verdict, HELLO_INCOMPLETE);
  }
  t.true(calls <= 2 * 128 + 2, `${calls} calls for 128 records`);
  t.not(reader.read(bytes, bytes.length), HELLO_TOO_LONG);
});
