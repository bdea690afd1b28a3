import { once } from 'node:events';
import { connect } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { HTTP2 } from '../../../head/refusals.ts';
import { readFields, readRequest } from '../../../head/worker/inspect/hpack.ts';
import { decodeHuffman } from '../../../head/worker/inspect/huffman.ts';
import { COMPLETE, INCOMPLETE } from '../../../head/worker/inspect/kind.ts';
import { serverName } from '../../../head/worker/inspect/name.ts';
import { inspect, LIMIT, request } from './request-heads.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const fields = (text: string) => {
  const block = hex(text);
  return readFields(block, 0, block.length);
};

test('the examples of RFC 7541, appendix C, are read as it says', (t) => {
  const first = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];
  for (const [text, expected] of [
    // C.2
    ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', [['custom-key', 'custom-header']]],
    ['040c 2f73 616d 706c 652f 7061 7468', [[':path', '/sample/path']]],
    ['1008 7061 7373 776f 7264 0673 6563 7265 74', [['password', 'secret']]],
    ['82', [[':method', 'GET']]],
    // C.3.1 and C.4.1
    ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', first],
    ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', first],
    // C.6.1
    [
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      [
        [':status', '302'],
        ['cache-control', 'private'],
        ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
        ['location', 'https://www.example.com'],
      ],
    ],
  ] as const)
    t.deepEqual(fields(text), expected as unknown as ReturnType<typeof fields>, text);
});

test('the second of two fields may refer to the first, and to nothing that is not there', (t) => {
  // A literal with indexing becomes number 62.
  t.deepEqual(fields('40 01 61 01 62 be'), [
    ['a', 'b'],
    ['a', 'b'],
  ]);
  t.deepEqual(fields('40 01 61 01 62 7e 01 63 bf'), [
    ['a', 'b'],
    ['a', 'c'],
    ['a', 'b'],
  ]);
  t.is(fields('be'), undefined, 'the table is empty');
  t.is(fields('40 01 61 01 62 bf'), undefined);
  t.deepEqual(fields('20 82'), [[':method', 'GET']], 'a table of no bytes');
  t.is(fields('20 40 01 61 01 62 be'), undefined, 'which keeps nothing');
  t.deepEqual(fields('3f e1 1f 40 01 61 01 62 be')!.length, 2, '4096 bytes');
  t.is(fields('3f e2 1f 82'), undefined, 'more than was allowed');
  t.is(fields('82 20'), undefined, 'a change of size behind a field');
});

test('what is wrong in a block is nothing that could be read', (t) => {
  for (const [what, text] of [
    ['number 0', '80'],
    ['a number without an end', '7f 80'],
    ['a number of many bytes', '7f 80 80 80 80 80 80 80 80 80 80 01'],
    ['a large number', 'ff ff ff ff ff 0f'],
    ['a text without an end', '40 05 61'],
    ['no text', '40'],
    ['a text longer than all', '40 7f ff ff 7f'],
    ['padding of a whole byte', '04 82 ff ff'],
    ['padding of zeros', '04 81 00'],
    ['the end of the string in it', '04 84 ff ff ff ff'],
  ] as const)
    t.is(fields(text), undefined, what);
  t.deepEqual(fields(''), []);
});

test('each byte that a header may have is decoded as nghttp2 has encoded it', async (t) => {
  for (let byte = 0x20; byte < 256; byte++) {
    if (byte === 0x7f) continue;
    // Beside what is short in the code, so that the code is chosen for all of it.
    const value = `${'a'.repeat(40)}${String.fromCharCode(byte)}${'e'.repeat(40)}`;
    const { path } = await sent({ ':path': '/', 'x-value': value });
    t.is(path, '/');
    const all = readFields(lastBlock, 0, lastBlock.length);
    t.is(all!.find(([name]) => name === 'x-value')![1], value, String(byte));
    t.true(lastBlock.length < 120, 'it was encoded');
  }
});

test('no bytes make it throw, and no bytes beyond a block are read', (t) => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.constantFrom(hex('82'), hex('be'), hex('4001610162'), hex('418cf1e3c2e5f23a6ba0ab90f4ff'), hex('20')),
  );
  const block = fc.array(piece, { maxLength: 8 }).map((parts) => Buffer.concat(parts));
  let read = 0;
  fc.assert(
    fc.property(block, fc.uint8Array({ maxLength: 8 }), (bytes, behind) => {
      const alone = readFields(bytes, 0, bytes.length);
      const longer = Buffer.concat([bytes, behind]);
      t.deepEqual(readFields(longer, 0, bytes.length), alone);
      if (alone) read++;
      decodeHuffman(bytes, 0, bytes.length);
    }),
    { numRuns: 20_000 },
  );
  t.true(read > 500, `${read}`);
});

// --- of whole connections ---

let lastBlock: Buffer = Buffer.alloc(0);
let lastFlight: Buffer = Buffer.alloc(0);

/** What Node's client sends for these headers, read as a request. */
async function sent(headers: Record<string, string>): Promise<{ path: string; authority: string }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  session.request(headers).on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket];
  socket.on('error', () => {});
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    const found = headersIn(bytes);
    if (!found) continue;
    [lastBlock, lastFlight] = [found, bytes];
    break;
  }
  session.destroy();
  server.close();
  return readRequest(lastBlock, 0, lastBlock.length)!;
}

/** The first header block, which Node sends in one frame without padding. */
function headersIn(flight: Buffer): Buffer | undefined {
  for (let at = 24; at + 9 <= flight.length; at += 9 + flight.readUIntBE(at, 3)) {
    const end = at + 9 + flight.readUIntBE(at, 3);
    if (flight[at + 3] !== 1 || end > flight.length) continue;
    return flight.subarray(at + 9 + (flight[at + 4]! & 0x20 ? 5 : 0), end);
  }
  return undefined;
}

/** What is found in the first `length` bytes: the verdict, and what to choose by. */
function found(flight: Buffer, length = flight.length) {
  const verdict = inspect(flight, length, LIMIT);
  const { start, end } = request.keys.path;
  return {
    verdict,
    isEnough: request.isEnough,
    path: Buffer.from(request.bytes.subarray(start, end)).toString('latin1'),
    name: serverName(request),
    stream: request.stream,
  };
}

test('the path and the name of the first request are found when it comes at once, cut at every byte', async (t) => {
  await sent({ ':path': '/a/b?c', ':authority': 'Shop.Example:8080', cookie: 'x'.repeat(500) });
  const flight = Buffer.from(lastFlight);
  const whole = { verdict: COMPLETE, isEnough: false, path: '/a/b', name: 'shop.example', stream: 1 };
  t.deepEqual(found(flight), whole);
  t.is(request.speaks, HTTP2);
  let isWhole = false;
  for (let length = 1; length <= flight.length; length++) {
    const now = found(flight, length);
    if (now.verdict === COMPLETE) {
      t.deepEqual(now, whole, `${length}`);
      isWhole = true;
    } else {
      t.false(isWhole, 'it takes nothing back');
      t.is(now.isEnough, length >= 24, `${length}: the preface alone may be acted on`);
      t.true(length < 12 || request.needed > length);
    }
  }
  t.true(isWhole);
});

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const settings = frame(4, 0, 0, Buffer.alloc(0));
const block = hex('82 86 04 02 2f 78 41 07 61 2e 74 3a 38 30 31');

test('padding, priorities and continuations are read, and whatever breaks the rules is left to the server', (t) => {
  const whole = (...frames: Buffer[]) => found(Buffer.concat([preface, ...frames]));
  const good = { verdict: COMPLETE, isEnough: false, path: '/x', name: 'a.t', stream: 3 };
  const nothing = { verdict: COMPLETE, isEnough: false, path: '', name: '', stream: 0 };
  t.deepEqual(whole(settings, frame(1, 0x5, 3, block)), good);
  const padded = Buffer.concat([hex('03'), hex('0000000110'), block, Buffer.alloc(3)]);
  t.deepEqual(whole(settings, frame(1, 0x2c, 3, padded)), good, 'padded and with a priority');
  const cut = [frame(1, 0, 3, block.subarray(0, 4)), frame(9, 0, 3, block.subarray(4, 5))];
  t.deepEqual(whole(settings, ...cut, frame(9, 4, 3, block.subarray(5))), good, 'continuations');
  const update = frame(8, 0, 0, hex('0000ffff'));
  t.deepEqual(whole(settings, update, frame(1, 0x5, 3, block)), good, 'behind a window update');
  t.deepEqual(whole(frame(1, 0x5, 3, block)), nothing, 'no SETTINGS');
  t.deepEqual(whole(settings, frame(1, 0x5, 3, hex('80'))), nothing, 'no block');
  t.deepEqual(whole(settings, frame(1, 0xc, 3, hex('09 82'))), nothing, 'more padding than frame');
  t.deepEqual(whole(settings, cut[0]!, frame(0, 4, 3, block)), nothing, 'another frame in between');
  t.deepEqual(whole(settings, cut[0]!, frame(9, 4, 5, block)), nothing, 'of another stream');
  t.deepEqual(whole(Buffer.concat([settings, hex('004001 04 00 00000000')])), nothing, 'a long frame');
  t.is(whole(settings).verdict, INCOMPLETE);
  const many = Array.from({ length: 20 }, () => frame(2, 0, 3, Buffer.alloc(1000)));
  t.deepEqual(whole(settings, ...many), nothing, 'nothing in 16 kB');
});
