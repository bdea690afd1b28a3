import test from 'ava';
import fc from 'fast-check';
import { createFound } from '../../../head/found.ts';
import { HTTP, HTTP2, OTHER, type Refusal, TLS } from '../../../head/refusals.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE } from '../../../head/worker/inspect/kind.ts';
import { Responses } from '../../../head/worker/responses.ts';

const LIMIT = 4096;
const AUTHORITY = '192.0.2.7:8081';
const answers = new Responses(LIMIT);
const request = createFound();

interface Parsed {
  readonly status: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  get(name: string): string | undefined;
}

/** Reads the first `length` bytes of what was composed, as a strict client does. */
function parse(from: Responses, length: number): Parsed {
  const bytes = Buffer.from(from.memory.bytes.subarray(0, length));
  const end = bytes.indexOf('\r\n\r\n');
  const [status, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(': ');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)] as const;
  });
  return {
    status: status!,
    headers,
    body: bytes.subarray(end + 4),
    get: (name) => headers.find(([key]) => key === name)?.[1],
  };
}

const asked = (text: string): Buffer => Buffer.from(text, 'latin1');
/** One that is answered with a Location. */
const isRequest = (bytes: Buffer, limit = LIMIT): boolean =>
  inspect(request, bytes, bytes.length, limit) === COMPLETE && request.refusal === undefined;

function redirect(text: string | Buffer): Parsed | undefined {
  const bytes = asked(text as string);
  return isRequest(bytes) ? parse(answers, answers.redirect(`http://${AUTHORITY}`, request)) : undefined;
}

function created(text: string | Buffer): Parsed | undefined {
  const bytes = asked(text as string);
  return isRequest(bytes) ? parse(answers, answers.created(`http://${AUTHORITY}`, request)) : undefined;
}

/** The address in the page's one link, as a browser reads it. */
function linkOf(page: string): string {
  const [, href] = /^<!doctype html>[\s\S]*<a href="([^"<>]*)">this address<\/a>/.exec(page)!;
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return href!.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name]!);
}

const expectedTarget = (target: string): string =>
  [...asked(target)]
    .map((byte) => (byte < 0x7f ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase()}`))
    .join('');

test('Location has the path and the query exactly as the client wrote them', (t) => {
  for (const [target, expected] of [
    ['/', '/'],
    ['/a/../b//c/./d', '/a/../b//c/./d'],
    ['/a?b=c&d=%0d%0aX:%20y', '/a?b=c&d=%0d%0aX:%20y'],
    ['/%2e%2E/?', '/%2e%2E/?'],
    ['//elsewhere.example/x', '//elsewhere.example/x'],
    ['/\\elsewhere.example', '/\\elsewhere.example'],
    ['/caf\xc3\xa9', '/caf%C3%A9'],
    ['http://elsewhere.example', '/'],
    ['http://elsewhere.example?q=1', '/?q=1'],
    ['http://user:pass@elsewhere.example:1/x?y', '/x?y'],
    ['*', ''],
  ]) {
    const location = `http://${AUTHORITY}${expected}`;
    t.is(redirect(`GET ${target} HTTP/1.1\r\n\r\n`)!.get('location'), location);
    t.is(created(`GET ${target} HTTP/1.1\r\n\r\n`)!.get('location'), location);
  }
});

test('whatever bytes a client sends, an answer has one Location, at our address, and no line of the client', (t) => {
  const anyByte = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const hostile = fc.constantFrom(
    '\r\nX: y',
    '\n',
    '%0d%0a',
    '"',
    "'",
    '<b>',
    '&',
    '@',
    ':',
    '//',
    '\\',
    '\x80',
  );
  const part = fc.array(fc.oneof(anyByte, hostile), { maxLength: 8 }).map((parts) => parts.join(''));
  const target = fc.tuple(fc.constantFrom('/', '//', '/?', '*', 'http://', 'http://h/', 'x:/'), part);
  // Nearly every text of raw bytes is refused; those without what ends a target are mostly not.
  const kept = target.map(([start, rest]) => start + rest.replace(/[\0-\x20\x7f]/g, ''));
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        kept,
        target.map(([start, rest]) => start + rest),
      ),
      (text) => {
        const request = `POST ${text} HTTP/1.1\r\nHost: x\r\n\r\n`;
        for (const answer of [redirect(request), created(request)]) {
          if (!answer) continue;
          accepted++;
          t.deepEqual(
            answer.headers.map(([name]) => name).filter((name) => name !== 'content-type'),
            answer.status.includes('307')
              ? ['date', 'connection', 'content-length', 'location']
              : ['date', 'connection', 'location', 'content-length'],
          );
          for (const [, value] of answer.headers) t.regex(value, /^[\x20-\x7e]*$/);
          const location = answer.get('location')!;
          t.regex(location.slice(`http://${AUTHORITY}`.length), /^(\/|$)/);
          t.is(new URL(location).host, AUTHORITY);
          if (text.startsWith('/')) {
            // A space ends the target, and more than one may.
            const [asked] = text.replace(/ +$/, '').split('#');
            t.is(location, `http://${AUTHORITY}${expectedTarget(asked!)}`);
          }
          t.is(Number(answer.get('content-length')), answer.body.length);
          if (answer.body.length > 0) t.is(linkOf(answer.body.toString()), location);
        }
      },
    ),
    { numRuns: 1000 },
  );
  t.true(accepted > 500, `only ${accepted} of the requests were accepted`);
});

test('a HEAD request is told of the page and not given it', (t) => {
  const page = created('GET /x?<y> HTTP/1.1\r\n\r\n')!;
  const none = created('HEAD /x?<y> HTTP/1.1\r\n\r\n')!;
  t.true(page.body.length > 0);
  t.is(none.body.length, 0);
  t.is(none.get('content-length'), page.get('content-length'));
  t.is(none.get('location'), page.get('location'));
});

test('307 and 201 say so, when, and that the connection ends', (t) => {
  const [moved, made] = [redirect('GET / HTTP/1.1\r\n\r\n')!, created('GET / HTTP/1.1\r\n\r\n')!];
  t.is(moved.status, 'HTTP/1.1 307 Temporary Redirect');
  t.is(moved.get('content-length'), '0');
  t.is(made.status, 'HTTP/1.1 201 Created');
  t.is(made.get('content-type'), 'text/html; charset=utf-8');
  for (const answer of [moved, made]) {
    t.is(answer.get('connection'), 'close');
    t.true(Math.abs(Date.parse(answer.get('date')!) - Date.now()) < 5000);
  }
});

test('answers for two deliveries are not mixed up', (t) => {
  const bytes = asked('GET /same HTTP/1.1\r\n\r\n');
  t.true(isRequest(bytes));
  for (const authority of ['192.0.2.1:1', '[2001:db8::1]:65535', '192.0.2.1:1', 'name.example:80']) {
    t.is(
      parse(answers, answers.redirect(`http://${authority}`, request)).get('location'),
      `http://${authority}/same`,
    );
    t.is(
      parse(answers, answers.created(`http://${authority}`, request)).get('location'),
      `http://${authority}/same`,
    );
  }
});

test('an error has its status, a body of the length that it names, and 503 says when to come back', (t) => {
  const kinds: Record<Refusal, string> = {
    badRequest: '400 Bad Request',
    timeout: '408 Request Timeout',
    headTooLarge: '431 Request Header Fields Too Large',
    notImplemented: '501 Not Implemented',
    unavailable: '503 Service Unavailable',
    misdirected: '421 Misdirected Request',
  };
  const voice = (isHead: boolean) => ({ speaks: HTTP, isHead, stream: 0 });
  for (const [kind, status] of Object.entries(kinds)) {
    const answer = parse(answers, answers.error(kind as Refusal, voice(false)));
    t.is(answer.status, `HTTP/1.1 ${status}`);
    t.is(answer.body.toString(), `${status}\n`);
    t.is(Number(answer.get('content-length')), answer.body.length);
    t.is(answer.get('connection'), 'close');
    t.is(answer.get('retry-after'), kind === 'unavailable' ? '1' : undefined);
    const toHead = parse(answers, answers.error(kind as Refusal, voice(true)));
    t.is(toHead.status, answer.status);
    t.is(toHead.get('content-length'), answer.get('content-length'));
    t.is(toHead.body.length, 0, 'an answer to HEAD has no body');
  }
});

test('the longest target of any one byte fits, at the shortest and the longest limit on a head', (t) => {
  const authority = `${'a'.repeat(253)}:65535`;
  for (const limit of [256, 65_536]) {
    const own = new Responses(limit);
    // Each way for a byte to grow: not at all, as %XX, as each entity.
    for (const character of ['a', '\xff', '&', '<', '"', "'"]) {
      const around = 'GET / HTTP/1.1\r\n\r\n';
      const target = `/${character.repeat(limit - around.length)}`;
      const bytes = asked(around.replace('/', () => target));
      t.true(isRequest(bytes, limit));
      const location = `http://${authority}${expectedTarget(target)}`;
      t.is(parse(own, own.redirect(`http://${authority}`, request)).get('location'), location);
      const answer = parse(own, own.created(`http://${authority}`, request));
      t.is(answer.get('location'), location);
      t.is(Number(answer.get('content-length')), answer.body.length);
      t.is(linkOf(answer.body.toString()), location);
    }
  }
});

test('who speaks TLS gets an alert of its protocol, or nothing, and who speaks HTTP/2 its frames, and others nothing', (t) => {
  const said = (kind: Refusal, speaks: number, stream = 0): string => {
    const length = answers.error(kind, { speaks, isHead: false, stream });
    return answers.memory.bytes.toString('hex', 0, length);
  };
  t.is(said('badRequest', TLS), '15030300020232');
  t.is(said('unavailable', TLS), '15030300020250');
  t.is(said('misdirected', TLS), '15030300020270');
  t.is(said('timeout', TLS), '');
  const settings = '000000040000000000';
  t.is(said('unavailable', HTTP2), `${settings}0000080700000000000000000000000002`);
  t.is(said('timeout', HTTP2), `${settings}0000080700000000000000000000000000`);
  const last = '0000080700000000000000000300000000';
  t.is(said('unavailable', HTTP2, 3), `${settings}0000050105000000030803353033${last}`);
  t.is(said('misdirected', HTTP2, 3), `${settings}0000050105000000030803343231${last}`);
  t.is(said('unavailable', OTHER), '');
});
