import test from 'ava';
import fc from 'fast-check';
import {
  EXTENSION_BYTES_MAX,
  HEAD_BYTES_MAX,
  INTERIM_MAX,
  ResponseParser,
} from '../../../infra/visits/response.ts';

interface Reading {
  status: number;
  complete: boolean;
  bad: boolean;
  bodyBytes: number;
  keepAlive: boolean;
  location: string | undefined;
  /** Bytes that came after the answer. */
  left: number;
}

/** Reads in pieces of the given sizes, in turns, and then sees the connection end. */
function read(text: string, sizes: readonly number[] = [text.length || 1], end = true): Reading {
  const parser = new ResponseParser();
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  for (let turn = 0; at < bytes.length && !parser.complete && !parser.bad; turn++) {
    const stop = Math.min(bytes.length, at + sizes[turn % sizes.length]!);
    at = parser.read(bytes, at, stop);
  }
  if (end && !parser.bad) parser.end();
  const { status, complete, bad, bodyBytes, keepAlive, location } = parser;
  return { status, complete, bad, bodyBytes, keepAlive, location, left: bad ? 0 : bytes.length - at };
}

/** One character a byte. */
const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

const good: [string, string, Partial<Reading>][] = [
  [
    'a Content-Length body',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    { status: 200, bodyBytes: 5, keepAlive: true },
  ],
  [
    'an empty body',
    'HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n',
    { status: 200, bodyBytes: 0, keepAlive: true },
  ],
  [
    'a chunked body',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n',
    { bodyBytes: 15, keepAlive: true },
  ],
  [
    'a body that the end of the connection ends',
    'HTTP/1.1 200 OK\r\n\r\nhello',
    { bodyBytes: 5, keepAlive: false },
  ],
  [
    'an interim answer before the real one',
    'HTTP/1.1 103 Early Hints\r\nLocation: /no\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    { status: 204, location: undefined, keepAlive: true },
  ],
  [
    'a redirect',
    'HTTP/1.1 307 Temporary Redirect\r\nlocation: http://h/x \r\nContent-Length: 0\r\nConnection: Close\r\n\r\n',
    { status: 307, location: 'http://h/x', keepAlive: false },
  ],
  [
    'HTTP/1.0 that keeps the connection',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx',
    { bodyBytes: 1, keepAlive: true },
  ],
  [
    'a Location in raw UTF-8, as browsers and curl do',
    `HTTP/1.1 307 Go\r\nLocation: ${utf8('http://h/é/日本?ü=ß à')}\r\nContent-Length: 0\r\n\r\n`,
    { status: 307, location: 'http://h/%C3%A9/%E6%97%A5%E6%9C%AC?%C3%BC=%C3%9F %C3%A0' },
  ],
  [
    'a Location in bytes that are no UTF-8',
    'HTTP/1.1 307 Go\r\nLocation: /caf\xe9\r\nContent-Length: 0\r\n\r\n',
    { status: 307, location: '/caf%E9' },
  ],
  [
    'a field that goes on in the next line',
    'HTTP/1.1 307 Go\r\nA: b\r\n\t: c\r\nLocation:\r\n  /x\r\n \r\nContent-Length: 0\r\n\r\n',
    { status: 307, location: '/x' },
  ],
  [
    'HTTP/1.0 with chunks, after which it asks nothing more there',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    { bodyBytes: 1, keepAlive: false },
  ],
  [
    'as many interim answers as it takes',
    `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(INTERIM_MAX)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
    { status: 200 },
  ],
  [
    'trailers and chunk extensions up to the limit',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${`1;${'e'.repeat(1000)}\r\nx\r\n`.repeat(16)}0\r\n${`T: ${'t'.repeat(1000)}\r\n`.repeat(16)}\r\n`,
    { bodyBytes: 16 },
  ],
  [
    '304 with the length of what it leaves out',
    'HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n',
    { bodyBytes: 0 },
  ],
  ['a status line without a reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', { status: 200 }],
];
for (const [name, text, expected] of good) {
  test(`reads ${name}, whole and a byte at a time`, (t) => {
    const whole = read(text);
    t.like(whole, { complete: true, bad: false, left: 0, ...expected });
    t.deepEqual(read(text, [1]), whole);
  });
}

const bad: [string, string][] = [
  ['something that is not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
  ['a status that is no number', 'HTTP/1.1 2x0 OK\r\n\r\n'],
  ['a field without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
  ['a folded status line', 'HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 0\r\n\r\n'],
  ['a list of two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab'],
  ['lengths that differ by a zero', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 01\r\n\r\na'],
  ['a length that no number holds', `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(16)}\r\n\r\n`],
  ['chunk sizes without an end', `${chunked}${'0'.repeat(1100)}`],
  ['a chunk size that no number holds', `${chunked}${'f'.repeat(13)}\r\n`],
  ['trailers that are too large in all', `${chunked}0\r\n${'T: t\r\n'.repeat(HEAD_BYTES_MAX / 6 + 1)}\r\n`],
  [
    'trailers that are too large in all, in long lines',
    `${chunked}0\r\n${`T: ${'t'.repeat(9000)}\r\n`.repeat(2)}\r\n`,
  ],
  [
    'chunk extensions that are too large in all',
    `${chunked}${`1;${'e'.repeat(1000)}\r\nx\r\n`.repeat(EXTENSION_BYTES_MAX / 1000 + 1)}`,
  ],
  ['interim answers without an end', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(INTERIM_MAX + 1)],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'a length beside chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a chunk size that is no number', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  [
    'a chunk that is longer than it says',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n',
  ],
  ['a line feed that ends no line', 'HTTP/1.1 200 OK\nA: b\r\nContent-Length: 0\r\n\r\n'],
  ['a zero in a field', 'HTTP/1.1 307 Go\r\nLocation: /\0\r\nContent-Length: 0\r\n\r\n'],
  ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ['a head without an end', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(HEAD_BYTES_MAX)}`],
];
for (const [name, text] of bad) {
  test(`refuses ${name}, whole and a byte at a time`, (t) => {
    t.true(read(text).bad);
    t.true(read(text, [1]).bad);
  });
}

test('every answer that is cut short is incomplete', (t) => {
  for (const [, text] of good.filter(([name]) => !name.includes('end of the connection'))) {
    for (let length = 0; length < text.length; length++)
      t.false(read(text.slice(0, length)).complete, text.slice(0, length));
  }
});

test('stops at the end of an answer and leaves what follows', (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab';
  t.like(read(`${answer}HTTP/1.1 200`), { complete: true, left: 12 });
});

test('a parser that was reset reads the next answer as a new one does', (t) => {
  const parser = new ResponseParser();
  for (const [, text] of good) {
    parser.reset();
    const bytes = Buffer.from(text, 'latin1');
    parser.read(bytes, 0, bytes.length);
    parser.end();
    const { status, complete, bodyBytes, keepAlive, location } = parser;
    t.like(read(text), { status, complete, bodyBytes, keepAlive, location });
  }
});

test('however an answer is cut into pieces, it reads the same', (t) => {
  const answers = [...good, ...bad].map(([, text]) => text);
  fc.assert(
    fc.property(
      fc.constantFrom(...answers),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }),
      (text, sizes) => {
        t.deepEqual(read(text, sizes), read(text, [1]));
      },
    ),
  );
  t.pass();
});

test('any chunked body that is framed rightly is counted to the byte', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 700 }),
      (chunks, size) => {
        const body = chunks.map((length) => `${length.toString(16)}\r\n${'x'.repeat(length)}\r\n`).join('');
        const reading = read(`HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${body}0\r\n\r\n`, [
          size,
        ]);
        t.true(reading.complete);
        t.is(
          reading.bodyBytes,
          chunks.reduce((sum, length) => sum + length, 0),
        );
      },
    ),
  );
});
