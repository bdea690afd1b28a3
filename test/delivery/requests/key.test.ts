/** A delivery finds in a request what the head finds in it. */
import test from 'ava';
import fc from 'fast-check';
import { findHost, findPath, found } from '../../../delivery/requests/key.ts';
import { createFound } from '../../../head/found.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE } from '../../../head/worker/inspect/kind.ts';

const inHead = createFound();
const text = (bytes: Buffer, { start, end }: { start: number; end: number }) =>
  bytes.toString('latin1', start, end);

test('the path of every request in origin-form is the same here and at the head', (t) => {
  const part = fc.stringMatching(/^[!-~]{0,12}$/);
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'M-SEARCH', 'DELETE'),
      fc.constantFrom(' ', '  '),
      part,
      fc.constantFrom('\r\n', '\n'),
      fc.constantFrom('', '\r\n', '\n\r\n'),
      (method, space, path, line, before) => {
        const bytes = Buffer.from(
          `${before}${method}${space}/${path}${space}HTTP/1.1${line}Host: a${line}${line}`,
        );
        t.is(inspect(inHead, bytes, bytes.length, 4096), COMPLETE);
        t.true(findPath(bytes, bytes.length));
        t.is(text(bytes, found), text(bytes, inHead.keys.path));
        // Nothing before its line is there.
        const end = bytes.indexOf('HTTP/1.1') + 'HTTP/1.1'.length;
        for (let length = 0; length <= end; length++) t.false(findPath(bytes, length), `${length}`);
      },
    ),
  );
});

test('what is asked for in another form has no path here, nor has what is no request', (t) => {
  for (const line of [
    'OPTIONS * HTTP/1.1',
    'GET http://a/b HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'GET',
    '',
    '\u0016\u0003\u0001',
    'GET \r\n/a HTTP/1.1',
  ])
    t.false(findPath(Buffer.from(`${line}\r\n\r\n`), line.length + 4), line);
});

test('what Host says is found however it is written, and not before it is all there', (t) => {
  for (const field of ['Host: a.example', 'HOST:a.example', 'host:  a.example ']) {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nX-Host: b\r\n${field}\r\nHost: c\r\n\r\n`);
    t.true(findHost(bytes, bytes.length), field);
    t.is(text(bytes, found).trim(), 'a.example');
    for (let length = 0; length < bytes.indexOf('\r\nHost: c') + 2; length++)
      t.false(findHost(bytes, length));
  }
  const none = Buffer.from('GET /host: HTTP/1.1\r\n\r\n');
  t.false(findHost(none, none.length));
});
