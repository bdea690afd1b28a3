/** A delivery finds in a request what the head finds in it. */
import test from 'ava';
import fc from 'fast-check';
import { findHost, findPath, found } from '../../../delivery/requests/key.ts';
import { createFound } from '../../../head/found.ts';
import { HTTP } from '../../../head/refusals.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE, INCOMPLETE } from '../../../head/worker/inspect/kind.ts';

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

/** What the head finds there; undefined where that is nothing, or an empty path. */
function atHead(bytes: Buffer, length = bytes.length): string | undefined {
  const verdict = inspect(inHead, bytes, length, 65_536);
  const isEnough = verdict === COMPLETE || (verdict === INCOMPLETE && inHead.lineEnd > 0);
  return isEnough && inHead.speaks === HTTP ? text(bytes, inHead.keys.path) || undefined : undefined;
}

const long = `/${'a'.repeat(5000)}`;
const others: readonly [request: string, path: string | undefined][] = [
  ['OPTIONS * HTTP/1.1\r\n\r\n', undefined],
  ['OPTIONS *x/y HTTP/1.1\r\n\r\n', undefined],
  ['GET http://a/b?c HTTP/1.1\r\n\r\n', '/b'],
  ['GET http://a HTTP/1.1\r\n\r\n', undefined],
  ['GET http://a?b/c HTTP/1.1\r\n\r\n', undefined],
  ['GET HTTPS://u@a:1/b#c HTTP/1.1\r\n\r\n', '/b'],
  ['GET 1http://a/b HTTP/1.1\r\n\r\n', undefined],
  ['CONNECT a:1 HTTP/1.1\r\n\r\n', 'a:1'],
  ['CONNECT  HTTP/1.1\r\n\r\n', 'HTTP/1.1'],
  ['GET /a HTTP/1.1\nHost: x\n\n', '/a'],
  ['GET /a\n', '/a'],
  ['GET /a HTTP/1.1\r\nA: b\r\n GET /c HTTP/1.1\r\n\r\n', '/a'],
  ['\r\n\n\r\nGET /a HTTP/1.1\r\n\r\n', '/a'],
  [' GET /a HTTP/1.1\r\n\r\n', undefined],
  [`GET ${long} HTTP/1.1\r\n\r\n`, long],
  ['GET /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET /b HT', '/a'],
  ['GET /a\x7fb HTTP/1.1\r\n\r\n', undefined],
  ['G(T /a HTTP/1.1\r\n\r\n', undefined],
  ['GET\t/a HTTP/1.1\r\n\r\n', undefined],
  ['GET /a HTTP/3.0\r\n\r\n', undefined],
  ['GET /a HTTP/1.11\r\n\r\n', undefined],
  ['GET /a http/1.1\r\n\r\n', undefined],
  ['PRI /a HTTP/2.0\r\n\r\n', undefined],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', undefined],
  ['GET /a RTSP/1.0\r\n\r\n', '/a'],
  ['GET\r\n\r\n', undefined],
  ['GET \r\n/a HTTP/1.1\r\n\r\n', undefined],
  ['\u0016\u0003\u0001', undefined],
  ['', undefined],
];

test('of every form of a request both find the same, or neither finds anything, however it is cut', (t) => {
  for (const [request, path] of others) {
    const bytes = Buffer.from(request, 'latin1');
    const pathIn = (length: number) => (findPath(bytes, length) ? text(bytes, found) : undefined);
    t.is(pathIn(bytes.length), path, request);
    for (let length = 0; length <= bytes.length; length += length < 300 ? 1 : 97)
      t.is(pathIn(length), atHead(bytes, length), `${length} bytes of ${request}`);
  }
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

test('a server is named by the target, else by the first Host of this request, not by what is behind it', (t) => {
  const nameIn = (request: string) => {
    const bytes = Buffer.from(request);
    const name = findHost(bytes, bytes.length) ? text(bytes, found).trim() : undefined;
    inspect(inHead, bytes, bytes.length, 65_536);
    t.is(name, text(bytes, inHead.keys.name).trim() || undefined, request);
    return name;
  };
  t.is(nameIn('GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n'), 'a');
  t.is(nameIn('GET / HTTP/1.1\r\nHost : a\r\nHost: b\r\n\r\n'), 'a');
  t.is(nameIn('GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n'), undefined);
  t.is(nameIn('POST / HTTP/1.0\nContent-Length: 8\n\nHost: b\n'), undefined);
});
