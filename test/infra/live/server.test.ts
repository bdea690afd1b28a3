/** Who is let in, what they may do, and how much of it: the live page's server as a stranger finds it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { LiveServer } from '../../../infra/live/server.ts';
import { KEPT_TICKS, Streams } from '../../../infra/live/streams.ts';
import type { Tick } from '../../../infra/live/tick.ts';
import { BatonError } from '../../../shared/errors.ts';
import { request } from '../../../shared/node-http.ts';

const streams = new Streams();
const done: string[] = [];
const server = await LiveServer.open({
  streams,
  about: () => ({ on: '</script><img src=x onerror=alert(1)>' }),
  perform: async (body) => {
    if (body.includes('wrong')) throw new BatonError('USAGE', { problem: 'that is wrong' });
    done.push(body);
  },
  report: () => undefined,
});
test.after.always(() => server.close());

const { hostname, port, origin, pathname } = new URL(server.address);

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const proper = { origin, 'content-type': 'application/json' };

async function ask({ method = 'GET', path = pathname, headers = {}, body }: Asked) {
  const asking = request({ hostname, port, method, path, headers, agent: false });
  asking.end(body);
  const [answer] = await once(asking, 'response');
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  return { status: answer.statusCode as number, headers: answer.headers, text };
}

const aTick = (n: number) => ({ n, at: n * 1000, events: [] }) as unknown as Tick;

test.serial('it listens on 127.0.0.1 alone, and its address has a token of 256 bits', (t) => {
  t.is(hostname, '127.0.0.1');
  t.regex(pathname, /^\/[A-Za-z0-9_-]{43}\/$/);
});

test.serial('without the token, or with one that is nearly right, there is nothing', async (t) => {
  const near = `${pathname.slice(0, -2)}${pathname.at(-2) === 'A' ? 'B' : 'A'}/`;
  for (const path of ['/', '/about', '/do', near, `/x${pathname}`, '//', `${pathname.slice(0, -1)}`, '/%00/'])
    for (const method of ['GET', 'POST']) {
      const { status } = await ask({
        method,
        path,
        headers: proper,
        ...(method === 'POST' && { body: '{}' }),
      });
      t.is(status, 404, `${method} ${path}`);
    }
  t.is((await ask({})).status, 200);
});

test.serial('another Host, as of a site that rebinds its name, is refused', async (t) => {
  for (const host of [
    'evil.example',
    `localhost:${port}`,
    `127.0.0.1:${Number(port) + 1}`,
    '127.0.0.1',
    `[::1]:${port}`,
  ]) {
    t.is((await ask({ headers: { host } })).status, 403, host);
    t.is(
      (await ask({ method: 'POST', path: `${pathname}do`, headers: { ...proper, host }, body: '{}' })).status,
      403,
    );
  }
  t.is(done.length, 0);
});

test.serial('another Origin, none, and what browsers say of other sites is refused for deeds', async (t) => {
  const path = `${pathname}do`;
  const others = ['http://evil.example', 'null', `https://127.0.0.1:${port}`, `${origin}.evil.example`, ''];
  for (const other of others)
    t.is(
      (await ask({ method: 'POST', path, headers: { ...proper, origin: other }, body: '{}' })).status,
      403,
      other,
    );
  const { origin: _, ...without } = proper;
  t.is((await ask({ method: 'POST', path, headers: without, body: '{}' })).status, 403);
  for (const site of ['cross-site', 'same-site'])
    for (const asked of [
      { method: 'POST', path, headers: { ...proper, 'sec-fetch-site': site }, body: '{}' },
      { path: `${pathname}seconds`, headers: { 'sec-fetch-site': site } },
    ])
      t.is((await ask(asked)).status, 403, site);
  t.is((await ask({ headers: { origin: 'http://evil.example' } })).status, 403);
  t.is(done.length, 0);
});

test.serial('a form of another site cannot send a deed: it has to be JSON', async (t) => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/json; charset=x',
  ])
    t.is(
      (
        await ask({
          method: 'POST',
          path: `${pathname}do`,
          headers: { ...proper, 'content-type': type },
          body: '{}',
        })
      ).status,
      415,
    );
  t.is(done.length, 0);
});

test.serial('no GET changes anything, and other methods are not known', async (t) => {
  const before = done.length;
  for (const path of ['do', 'do?do=stop', 'about', 'report', 'main.js'])
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status } = await ask({ method, path: `${pathname}${path}`, headers: proper });
      if (path.startsWith('do')) t.true(status >= 400, `${method} ${path}`);
    }
  t.is(done.length, before);
  t.is((await ask({ method: 'POST', path: pathname, headers: proper, body: '{}' })).status, 404);
  t.is(
    (await ask({ method: 'POST', path: `${pathname}do`, headers: proper, body: '{"do":"x"}' })).status,
    200,
  );
  t.is(done.length, before + 1);
});

test.serial('a deed is bounded, and what is wrong with it is said', async (t) => {
  const path = `${pathname}do`;
  const large = await ask({ method: 'POST', path, headers: proper, body: 'x'.repeat(10_000) });
  t.is(large.status, 413);
  const wrong = await ask({ method: 'POST', path, headers: proper, body: 'wrong' });
  t.is(wrong.status, 400);
  t.deepEqual(JSON.parse(wrong.text), { problem: 'that is wrong' });
});

test.serial('files are the page alone: no way leads out of it', async (t) => {
  for (const path of [
    '../../package.json',
    '%2e%2e/live.ts',
    '__proto__',
    'constructor',
    'toString',
    'page/main.js',
  ])
    t.is((await ask({ path: `${pathname}${path}` })).status, 404, path);
  const { headers } = await ask({});
  t.regex(String(headers['content-security-policy']), /script-src 'self';/);
  t.notRegex(String(headers['content-security-policy']), /unsafe/);
  t.is(headers['referrer-policy'], 'no-referrer');
  const about = await ask({ path: `${pathname}about` });
  t.is(about.headers['content-type'], 'application/json');
  t.is(about.headers['x-content-type-options'], 'nosniff');
});

test.serial('who sends half a request is ended, and garbage too', async (t) => {
  const parts = [
    'GET / HT',
    `POST ${pathname}do HTTP/1.1\r\nhost: ${hostname}:${port}\r\norigin: ${origin}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{`,
    '\0\0\0\n\n',
  ];
  await Promise.all(
    parts.map(async (sent) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.write(sent);
      socket.resume();
      await once(socket, 'close');
    }),
  );
  t.is((await ask({})).status, 200);
});

/** Reads a stream of seconds until so many have come. */
async function seconds(path: string, headers: Record<string, string>, wanted: number): Promise<number[]> {
  const asking = request({ hostname, port, path, headers, agent: false });
  asking.end();
  const [answer] = await once(asking, 'response');
  let text = '';
  const numbers = () => [...text.matchAll(/^id: (\d+)$/gm)].map(([, n]) => Number(n));
  for await (const part of answer.setEncoding('utf8')) {
    text += part;
    if (numbers().length >= wanted) break;
  }
  asking.destroy();
  return numbers();
}

test.serial('a page that was away gets what it has missed, and no more than is kept', async (t) => {
  for (let n = 1; n <= KEPT_TICKS + 100; n++) streams.send(aTick(n));
  const last = KEPT_TICKS + 100;
  t.deepEqual(await seconds(`${pathname}seconds`, { 'last-event-id': String(last - 3) }, 3), [
    last - 2,
    last - 1,
    last,
  ]);
  t.deepEqual(await seconds(`${pathname}seconds?after=${last - 2}`, {}, 2), [last - 1, last]);
  const all = await seconds(`${pathname}seconds`, {}, KEPT_TICKS);
  t.is(all.length, KEPT_TICKS);
  t.is(all[0], 101);
  // What is no number is as if nothing was said.
  t.is((await seconds(`${pathname}seconds`, { 'last-event-id': '-1e9' }, KEPT_TICKS)).length, KEPT_TICKS);
});

test.serial('a page that reads nothing is let go, and others are told on', async (t) => {
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${pathname}seconds?after=999999 HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`);
  await once(socket, 'readable');
  const closed = once(socket, 'close');
  socket.on('error', () => {});
  const before = streams.pages;
  t.true(before >= 1);
  const big = { ...aTick(1), padding: 'x'.repeat(500_000) } as unknown as Tick;
  for (let n = 0; streams.pages >= before && n < 200; n++) {
    streams.send({ ...big, n: 2000 + n });
    await new Promise(setImmediate);
  }
  t.true(streams.pages < before);
  socket.resume();
  await closed;
});
