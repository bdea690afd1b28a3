/** What Node's own server takes for a request the head must not refuse: compared by giving both the same bytes. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { createFound } from '../../../head/found.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE } from '../../../head/worker/inspect/kind.ts';
import { createServer } from '../../../shared/node-http.ts';

/** The first of them four times out of five. */
const mostly = (right: string, ...others: string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(right) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

/** Pieces of a request line and what may stand around it, right ones and wrong ones. */
const before = mostly('', '\r\n', '\r', '\n', '\r\r\n\n', ' ');
const method = mostly(
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'M-SEARCH',
  'DESCRIBE',
  'SOURCE',
  'PRI',
  'X',
);
const spaces = mostly(' ', '  ', '     ', '\t');
const target = fc.oneof(
  fc.constantFrom(
    '/',
    '/a?b=c',
    '*',
    '*x',
    '/a#b',
    '#b',
    '?q',
    'a',
    'a:80',
    '[::1]:80',
    '//x//',
    '/\x80\xff',
  ),
  fc.constantFrom(
    'http://x',
    'http://',
    'http:///',
    'http://x?q',
    'http://x#f',
    'http://u:p@x:1/y',
    'rtsp://x/y',
  ),
  fc
    .array(
      fc.constantFrom('/', '*', '#', '?', ':', '@', '[', ']', '%41', '"', '|', '~', '\\', 'a', '1', '.', '+'),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
  fc.string({ maxLength: 4 }).map((text) => `/${text}`),
);
const version = mostly(
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.2',
  'HTTP/3.0',
  'RTSP/1.0',
  'ICE/1.0',
  'http/1.1',
  'HTTP/1.10',
  '',
);
const lineEnd = mostly('\r\n', '\n', '\r', ' \r\n');
const fields = fc
  .array(
    fc.constantFrom('Host: x', 'A: b', 'X:', 'A : b', ' folded', 'Content-Length: 0', 'Upgrade: y', ''),
    { maxLength: 4 },
  )
  .map((lines) => lines.map((line) => `${line}\r\n`).join(''));
const heads = fc
  .tuple(
    before,
    method,
    spaces,
    target,
    spaces,
    version,
    lineEnd,
    fields,
    fc.constantFrom('\r\n', '\r\n', '\n'),
  )
  .map((parts) => parts.join(''));

test('every head that a Node server serves is complete for the head, with nothing of it beyond its end', async (t) => {
  let served = false;
  const server = createServer({ requireHostHeader: false });
  const serve: RequestListener = (_request, response) => {
    served = true;
    response.end();
  };
  server.on('request', serve);
  for (const event of ['connect', 'upgrade']) {
    server.on(event, (_request, socket) => {
      served = true;
      socket.destroy();
    });
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;

  async function isServed(head: Buffer): Promise<boolean> {
    served = false;
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    // Half-closed, so that what waits for more ends as well.
    socket.end(head);
    socket.resume();
    await once(socket, 'close');
    return served;
  }

  let count = 0;
  await fc.assert(
    fc.asyncProperty(heads, async (text) => {
      const head = Buffer.from(text, 'latin1');
      if (!(await isServed(head))) return;
      count++;
      t.is(inspect(createFound(), head, head.length, 16_384), COMPLETE, JSON.stringify(text));
    }),
    { numRuns: 3000 },
  );
  t.true(count > 300, `a Node server served only ${count}`);
});
