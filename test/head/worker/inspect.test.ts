import test from 'ava';
import { HTTP, HTTP2 } from '../../../head/refusals.ts';
import { COMPLETE, INCOMPLETE } from '../../../head/worker/inspect/kind.ts';
import { found, NOT_HTTP, request, TOO_LARGE, verdict } from './request-heads.ts';

test('a request is recognised, with the target that it asks for', (t) => {
  const cases: [line: string, target: string, path: string][] = [
    ['GET / HTTP/1.1', '/', '/'],
    ['GET / HTTP/1.0', '/', '/'],
    ['POST /a/b;c=1?d=e&f=%20 HTTP/1.1', '/a/b;c=1?d=e&f=%20', '/a/b;c=1'],
    ['GET //double/slash HTTP/1.1', '//double/slash', '//double/slash'],
    ['GET /? HTTP/1.1', '/?', '/'],
    ['GET /a?b?c HTTP/1.1', '/a?b?c', '/a'],
    ['GET /caf\xc3\xa9"<>{} HTTP/1.1', '/caf\xc3\xa9"<>{}', '/caf\xc3\xa9"<>{}'],
    ['OPTIONS * HTTP/1.1', '', ''],
    ['GET http://example.org HTTP/1.1', '/', ''],
    ['GET http://example.org/ HTTP/1.1', '/', '/'],
    ['GET HTTP://user@example.org:80/a?b HTTP/1.1', '/a?b', '/a'],
    ['GET http://[::1]:8080?q HTTP/1.1', '/?q', ''],
    ['GET coap+tcp://x/y HTTP/1.1', '/y', '/y'],
    ['\r\nGET /after-an-empty-line HTTP/1.1', '/after-an-empty-line', '/after-an-empty-line'],
    ['\n\r\n\nGET /after-three HTTP/1.1', '/after-three', '/after-three'],
    ['\rGET /after-a-lone-cr HTTP/1.1', '/after-a-lone-cr', '/after-a-lone-cr'],
    ['GET   /many-spaces   HTTP/1.1', '/many-spaces', '/many-spaces'],
    ['GET /a?b#fragment?c HTTP/1.1', '/a?b', '/a'],
    ['GET http://x?b#f HTTP/1.1', '/?b', ''],
    ['GET http://x#f HTTP/1.1', '/', ''],
  ];
  for (const [line, target, path] of cases) {
    for (const end of ['\r\n\r\n', '\r\nHost: x\r\nA: b\r\n\r\n', '\n\n', '\nHost: x\n\r\n']) {
      t.deepEqual(found(`${line}${end}rest`), { verdict: COMPLETE, target, path, rest: 'rest' }, line + end);
    }
  }
});

test('only HEAD is HEAD, and only * is the server as a whole', (t) => {
  for (const [line, isHead, isServerWide] of [
    ['HEAD / HTTP/1.1', true, false],
    ['GET / HTTP/1.1', false, false],
    ['HEADS / HTTP/1.1', false, false],
    ['head / HTTP/1.1', false, false],
    ['OPTIONS * HTTP/1.1', false, true],
    ['HEAD * HTTP/1.1', true, true],
  ] as const) {
    t.is(verdict(`${line}\r\n\r\n`), COMPLETE);
    t.is(request.isHead, isHead, line);
    t.is(request.isServerWide, isServerWide, line);
  }
});

test('every token character of RFC 9110 may be in a method, and no other byte', (t) => {
  const tchar = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(byte);
    // A space would end the method "X", which leaves a wrong target.
    const expected = tchar.includes(character) ? COMPLETE : NOT_HTTP;
    t.is(verdict(`X${character}Y / HTTP/1.1\r\n\r\n`), expected, `byte ${byte}`);
  }
});

test('what no Location would lead to is a request all the same, and is known by the answer that the head has for it', (t) => {
  for (const [line, refusal] of [
    ['GET / HTTP/1.1', undefined],
    ['CONNECT example.org:443 HTTP/1.1', 'notImplemented'],
    ['CONNECT [::1]:443 HTTP/1.1', 'notImplemented'],
    ['GET *x HTTP/1.1', 'badRequest'],
    ['GET http:///x HTTP/1.1', 'badRequest'],
    ['GET / HTTP/2.0', 'badRequest'],
    ['GET / HTTP/0.9', 'badRequest'],
    ['GET /', 'badRequest'],
    ['CONNECT HTTP/1.1', 'notImplemented'],
    ['CONNECT ', 'notImplemented'],
    ['DESCRIBE rtsp://example.org/x RTSP/1.0', 'badRequest'],
    ['SOURCE /x ICE/1.0', 'badRequest'],
    ['OPTIONS * HTTP/1.1', undefined],
  ] as const) {
    t.is(verdict(`${line}\r\nHost: x\r\n\r\n`), COMPLETE, line);
    t.is(request.refusal, refusal, line);
  }
});

test('no control byte and no space is in a target, and every other byte may be', (t) => {
  for (let byte = 0; byte < 256; byte++) {
    // A line feed ends the line of an HTTP/0.9 request, which is one that the head does not answer.
    const expected = (byte > 0x20 && byte !== 0x7f) || byte === 0x0a ? COMPLETE : NOT_HTTP;
    t.is(verdict(`GET /a${String.fromCharCode(byte)}b HTTP/1.1\r\n\r\n`), expected, `byte ${byte}`);
    if (expected === COMPLETE) t.is(request.refusal, byte === 0x0a ? 'badRequest' : undefined);
  }
});

test('what is not HTTP is known as soon as its first wrong byte is there', (t) => {
  for (const [text, wrongAt] of [
    ['\0\0\0', 0],
    ['\x16\x02', 1],
    [' GET / HTTP/1.1', 0],
    ['GET\t/ HTTP/1.1', 3],
    ['GET path HTTP/1.1', 8],
    ['GET :// HTTP/1.1', 4],
    ['GET 1http://x/ HTTP/1.1', 4],
    ['GET http:/x HTTP/1.1', 10],
    ['GET example.org:443 HTTP/1.1', 16],
    ['GET / HTTP/1.x', 13],
    ['GET / HTTP/3.0', 11],
    ['GET / HTTP/2.1', 13],
    ['GET / HTTP/0.8', 13],
    ['GET / FTP/1.0', 6],
    ['GET / RTSP/a', 11],
    ['GET /\rx', 6],
    ['GET / HTTP/1.10', 14],
    ['GET / http/1.1', 6],
    ['GET / HTTP/1.1 \r\n', 14],
    ['GET / HTTP/1.1\rx', 15],
    ['PRI * HTTP/3', 11],
    ['CONNECT \t', 8],
    ['GET / HTTP/1.1\0', 14],
    ['SSH-2.0-OpenSSH_9.2\r\n', 19],
    ['EHLO mail\r\n', 9],
  ] as const) {
    t.is(verdict(text.slice(0, wrongAt)), INCOMPLETE, `${JSON.stringify(text)} before byte ${wrongAt}`);
    t.is(verdict(text.slice(0, wrongAt + 1)), NOT_HTTP, `${JSON.stringify(text)} at byte ${wrongAt}`);
  }
});

test('the HTTP/2 preface is one when all of it is there, and nothing stands before it', (t) => {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  for (let length = 1; length < preface.length; length++)
    t.is(verdict(preface.slice(0, length)), INCOMPLETE, String(length));
  t.false(request.isEnough);
  // The first request may follow, and need not be waited for (hpack.test.ts has more).
  t.is(verdict(preface), INCOMPLETE);
  t.true(request.isEnough);
  t.is(request.speaks, HTTP2);
  t.true(request.cannotFollow);
  t.is(verdict(`${preface}anything but frames`), COMPLETE);
  for (let at = 12; at < preface.length; at++)
    t.is(verdict(`${preface.slice(0, at)}x`), NOT_HTTP, `a wrong byte ${at}`);
  t.is(verdict(`\r\n${preface}`), NOT_HTTP);
  t.is(verdict('PRI * HTTP/1.1\r\n\r\n'), COMPLETE);
  t.is(request.speaks, HTTP);
  t.false(request.cannotFollow);
});

test('an upgrade and a CONNECT are what no client follows elsewhere', (t) => {
  const cannotFollow = (...fields: string[]): boolean => {
    t.is(verdict(`GET / HTTP/1.1\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`), COMPLETE);
    return request.cannotFollow;
  };
  t.true(cannotFollow('Host: x', 'Connection: Upgrade', 'Upgrade: websocket'));
  t.true(cannotFollow('UPGRADE:websocket'));
  t.true(cannotFollow('upgrade : h2c, websocket'));
  t.true(cannotFollow('Upgrade: h2c,websocket'));
  t.false(cannotFollow('Host: x'));
  t.false(cannotFollow('Upgrade-Insecure-Requests: 1'));
  t.false(cannotFollow('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA'));
  t.is(verdict('CONNECT x:1 HTTP/1.1\r\n\r\n'), COMPLETE);
  t.true(request.cannotFollow);
  t.is(verdict('GET / HTTP/1.1\r\n\r\n'), COMPLETE);
  t.false(request.cannotFollow, 'another request was a CONNECT');
});

test('a head may be exactly as long as the limit', (t) => {
  const head = `GET / HTTP/1.1\r\nX: ${'y'.repeat(300)}\r\n\r\n`;
  t.is(verdict(head, head.length), COMPLETE);
  t.is(verdict(`${head}body`, head.length), COMPLETE);
  t.is(verdict(head, head.length - 1), TOO_LARGE);
  t.is(verdict(head.slice(0, -1), head.length - 1), TOO_LARGE);
  t.is(verdict(head.slice(0, -1), head.length), INCOMPLETE);
  t.is(verdict('\r\n'.repeat(128), 256), TOO_LARGE, 'empty lines count as well');
  t.is(verdict('A'.repeat(256), 256), TOO_LARGE, 'so does a method');
});

test('a request is the last one when it says so and announces no body', (t) => {
  const isLast = (...fields: string[]): boolean => {
    t.is(verdict(`GET / HTTP/1.1\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`), COMPLETE);
    return request.isLast;
  };
  t.true(isLast('Host: x', 'Connection: close'));
  t.true(isLast('CONNECTION:close', 'Host: x'));
  t.true(isLast('connection: \t Close \t'));
  t.false(isLast('Host: x'));
  t.false(isLast('Connection: keep-alive'));
  t.false(isLast('Connection: closed'));
  t.false(isLast('Connection: clos'));
  t.true(isLast('Connection : close'));
  t.false(isLast('X-Connection: close'));
  t.false(isLast('Connection: close', 'Content-Length: 5'));
  t.false(isLast('content-length: 5', 'Connection: close'));
  t.false(isLast('Connection: close', 'Transfer-Encoding: chunked'));
  t.true(isLast('Connection: close', 'Content-Lengths: 5', 'Transfer: x'));
  // What some server may read in another way: it is safe to look for more.
  t.false(isLast('Connection: close', 'Content-Length : 5'));
  t.false(isLast('Connection: close', 'Content-Length\t:5'));
  t.false(isLast('Connection: close', 'Transfer-Encoding : chunked'));
  t.false(isLast('Connection: close', 'TRANSFER-ENCODING: identity'));
  t.false(isLast('Connection: close', 'Connection: keep-alive'));
  t.false(isLast('Connection: close', ' , keep-alive'));
  t.false(isLast('Connection: close', 'X: y', '\tContent-Length: 5'));
  t.false(isLast('Connection: keep-alive, close'));
  t.false(isLast('Connection: close, keep-alive'));
  // Another request's fields say nothing about this one.
  t.false(isLast('Host: y'));
});
