import test from 'ava';
import fc from 'fast-check';
import { formatHostPort, parseBytes, parseDuration, parseHostPort } from '../../shared/units.ts';

test('durations are read in every unit, and milliseconds without one', (t) => {
  for (const [text, millis] of [
    ['0', 0],
    ['250', 250],
    ['250ms', 250],
    ['50us', 0.05],
    ['10s', 10_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    [' 3 s ', 3000],
  ] as const) {
    t.is(parseDuration(text), millis, text);
  }
});

test('what is no duration is none', (t) => {
  for (const text of [
    '',
    's',
    '-1s',
    '1e3',
    '1d',
    '1 s s',
    '1.s',
    '.5s',
    '1,5s',
    'NaN',
    'Infinity',
    '0x10',
    '1S',
  ]) {
    t.is(parseDuration(text), undefined, text);
  }
});

test('sizes are read in powers of 1024, however they are written', (t) => {
  for (const [text, bytes] of [
    ['0', 0],
    ['512', 512],
    ['512b', 512],
    ['16k', 16_384],
    ['16K', 16_384],
    ['16kB', 16_384],
    ['16KiB', 16_384],
    ['64m', 67_108_864],
    ['1g', 1_073_741_824],
    [' 2 G ', 2_147_483_648],
  ] as const) {
    t.is(parseBytes(text), bytes, text);
  }
});

test('what is no size is none', (t) => {
  for (const text of ['', 'k', '-1', '1.5k', '1t', '1kk', '1 6k', '1e3', '0x10', '1ib2']) {
    t.is(parseBytes(text), undefined, text);
  }
});

test('addresses are read with their host bare', (t) => {
  for (const [text, host, port] of [
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:0', '::1', 0],
    ['[::ffff:192.0.2.1]:65535', '::ffff:192.0.2.1', 65535],
    [':80', '0.0.0.0', 80],
    ['example.org:443', 'example.org', 443],
  ] as const) {
    t.deepEqual(parseHostPort(text), { host, port }, text);
  }
});

test('what is no address is none', (t) => {
  for (const text of [
    '',
    '8080',
    'host',
    'host:',
    '::1:80',
    '[::1]',
    '[]:1',
    'host:65536',
    'host:123456',
    'host:-1',
  ]) {
    t.is(parseHostPort(text), undefined, text);
  }
  for (const text of [
    'http://host:80',
    'host:80/path',
    'a b:80',
    'host:80\nX: y',
    '[::1:80',
    'user@[::1]:80',
  ]) {
    t.is(parseHostPort(text), undefined, text);
  }
});

test('an address that is written can be read back', (t) => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(
    fc.property(host, fc.nat({ max: 65535 }), (name, port) => {
      const address = { host: name, port };
      t.deepEqual(parseHostPort(formatHostPort(address)), address);
    }),
  );
});
