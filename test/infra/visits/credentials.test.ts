import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { authorizationOf, withoutCredentials } from '../../../infra/visits/credentials.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { summarise } from '../../../infra/visits/summary.ts';
import { createServer } from '../../../shared/node-http.ts';

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

const urls: [string, string | undefined, string][] = [
  ['http://h/a', undefined, 'http://h/a'],
  ['http://Aladdin:open%20sesame@h/a', basic('Aladdin:open sesame'), 'http://h/a'],
  ['http://user@h', basic('user:'), 'http://h/'],
  ['http://:secret@h/', basic(':secret'), 'http://h/'],
  ['http://user:@h/', basic('user:'), 'http://h/'],
  ['http://us:er:pass@h/', basic('us:er:pass'), 'http://h/'],
  ['http://us@er:p@ss@h/', basic('us@er:p@ss'), 'http://h/'],
  ['http://jürgen:größe@h/', basic('jürgen:größe'), 'http://h/'],
  ['http://a:100%@h/', basic('a:100%'), 'http://h/'],
  ['http://a:%0d%0aX:%20y@h/', basic('a:\r\nX: y'), 'http://h/'],
  ['http://@h/', undefined, 'http://@h/'],
  ['http://h/a@b?c=d@e#f@g', undefined, 'http://h/a@b?c=d@e#f@g'],
];
for (const [text, sent, shown] of urls) {
  test(`${text} sends ${sent === undefined ? 'no credentials' : 'its credentials'} and is shown without`, (t) => {
    t.is(authorizationOf(new URL(text)), sent);
    t.is(withoutCredentials(text), shown);
  });
}

for (const text of [
  'gopher://user:secret@h/',
  'ftp://user:secret@h/',
  'user:secret@h',
  'http://user:secret@h:99999/',
  'http://user:sec/secret@h/',
  'http://user:secret@',
  'HTTP://user:secret@[::1/',
  'http:user:secret@h:x',
]) {
  test(`${text} is refused without its password`, async (t) => {
    const refused = await t.throwsAsync(runVisits({ urls: [text], rate: 1, durationMs: 100 }), {
      code: 'BAD_OPTION',
    });
    t.false(JSON.stringify({ ...refused, message: refused.message }).includes('secret'), refused.message);
  });
}

/** The Authorization fields that it gets, by path. */
async function serve(t: ExecutionContext, location?: string) {
  const seen = new Map<string, string | undefined>();
  const server = createServer((request, answer) => {
    seen.set(request.url!, request.headers.authorization);
    if (location !== undefined && request.url === '/go') answer.writeHead(307, { location }).end();
    else answer.end('x');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const few = { rate: 50, durationMs: 100, samples: true };

test('user and password are sent, and stand in no result', async (t) => {
  const { host, seen } = await serve(t);
  const result = await runVisits({ urls: [`http://visitor:secret@${host}/a?b#part`], ...few });
  t.is(result.succeeded, 5);
  t.deepEqual([...seen], [['/a?b', basic('visitor:secret')]]);
  t.deepEqual(result.urls, [`http://${host}/a?b#part`]);
  t.false(`${JSON.stringify(result)}${summarise(result)}`.includes('secret'));
});

test('they go on to the same server by a Location', async (t) => {
  const { host, seen } = await serve(t, '/there');
  await runVisits({ urls: [`http://visitor:secret@${host}/go`], ...few });
  t.is(seen.get('/there'), basic('visitor:secret'));
});

test('they do not go on to another server, as a delivery is', async (t) => {
  const other = await serve(t);
  const { host } = await serve(t, `http://${other.host}/there`);
  const result = await runVisits({ urls: [`http://visitor:secret@${host}/go`], ...few });
  t.is(result.succeeded, 5);
  t.deepEqual([...other.seen], [['/there', undefined]]);
});

test('those of a Location are sent there', async (t) => {
  const other = await serve(t);
  const { host } = await serve(t, `http://guest:door@${other.host}/there`);
  const result = await runVisits({ urls: [`http://${host}/go`], ...few });
  t.is(result.succeeded, 5);
  t.deepEqual([...other.seen], [['/there', basic('guest:door')]]);
});

test('a Location in raw UTF-8 leads where it says', async (t) => {
  const { host, seen } = await serve(t, Buffer.from('/é/日本?ü=à').toString('latin1'));
  const result = await runVisits({ urls: [`http://${host}/go`], ...few });
  t.is(result.succeeded, 5);
  t.true(seen.has('/%C3%A9/%E6%97%A5%E6%9C%AC?%C3%BC=%C3%A0'), [...seen.keys()].join(' '));
});
