import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { mergeHistograms } from '../../../infra/visits/histogram.ts';
import { phaseNames } from '../../../infra/visits/phases.ts';
import { visitResultSchema } from '../../../infra/visits/result.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';

async function listen(t: ExecutionContext, server: Server | TcpServer): Promise<string> {
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (t: ExecutionContext, listener: RequestListener) => listen(t, createServer(listener));
const serveTcp = (t: ExecutionContext, onConnection: (socket: Socket) => void) =>
  listen(
    t,
    createTcpServer((socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    }),
  );

const short = { rate: 100, durationMs: 200 };

test('counts every visit, its connection and its bytes, and its phases add up', async (t) => {
  const url = await serve(t, (_, answer) => answer.end('x'.repeat(1000)));
  const result = await runVisits({ urls: [url], ...short, samples: true });
  t.like(result, {
    visits: 20,
    succeeded: 20,
    failed: 0,
    connections: 20,
    requests: 20,
    bodyBytes: 20_000,
    complete: true,
  });
  t.deepEqual(result.statuses, { 200: 20 });
  t.is(result.samples?.totalMicros.length, 20);
  t.deepEqual(visitResultSchema.parse(JSON.parse(JSON.stringify(result))), result);
  const parts = phaseNames.reduce((sum, name) => sum + result.phases[name].mean, 0);
  // Each recorded duration is rounded to a microsecond or to three digits.
  t.true(
    Math.abs(parts - result.latency.mean) < 0.01 * result.latency.mean + 10,
    `${parts} ${result.latency.mean}`,
  );
});

test('visits the URLs in turns', async (t) => {
  const seen: string[] = [];
  const url = await serve(t, (request, answer) => {
    seen.push(request.url!);
    answer.end();
  });
  await runVisits({ urls: [`${url}/a?x=1`, `${url}/b`], ...short });
  t.is(seen.filter((path) => path === '/a?x=1').length, 10);
  t.is(seen.filter((path) => path === '/b').length, 10);
});

for (const status of [307, 201]) {
  test(`follows the Location of a ${status} on a new connection and times the hop apart`, async (t) => {
    const target = await serve(t, (request, answer) => answer.end(request.url));
    const head = await serve(t, (request, answer) => {
      const answerLater = () =>
        answer.writeHead(status, { location: `${target}/there${request.url}` }).end('elsewhere');
      setTimeout(answerLater, 30);
    });
    const result = await runVisits({ urls: [`${head}/x?y=z`], ...short });
    t.like(result, { succeeded: 20, failed: 0, connections: 40, requests: 40 });
    t.deepEqual(result.redirects, { [status]: 20 });
    t.is(result.bodyBytes, 20 * ('elsewhere'.length + '/there/x?y=z'.length));
    t.true(result.phases.redirectHop.min >= 29_000);
    t.true(result.latency.min >= result.phases.redirectHop.min);
    // The quickest, because a busy machine makes some of the others wait as well.
    t.true(result.phases.connect.min < 29_000 && result.phases.firstByte.min < 29_000);
  });
}

test('a relative Location is followed, and a 201 without one is an answer', async (t) => {
  const url = await serve(t, (request, answer) => {
    if (request.url === '/a/start') answer.writeHead(307, { location: '../end' }).end();
    else answer.writeHead(201).end('made');
  });
  const result = await runVisits({ urls: [`${url}/a/start`], ...short });
  t.deepEqual(result.statuses, { 201: 20 });
  t.deepEqual(result.redirects, { 307: 20 });
});

test('asks again on the same connection, and on a new one when the server closes it', async (t) => {
  const keeping = await serve(t, (_, answer) => answer.end('x'));
  const closing = await serve(t, (_, answer) => answer.setHeader('connection', 'close').end('x'));
  const kept = await runVisits({ urls: [keeping], ...short, requestsPerVisit: 3 });
  const closed = await runVisits({ urls: [closing], ...short, requestsPerVisit: 3 });
  t.like(kept, { succeeded: 20, connections: 20, requests: 60 });
  t.like(closed, { succeeded: 20, connections: 60, requests: 60 });
});

const failing: [string, string, (socket: Socket) => void][] = [
  [
    'closed_early',
    'a connection that ends within the answer',
    (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  ],
  ['reset', 'a connection that is reset', (socket) => socket.resetAndDestroy()],
  ['bad_answer', 'an answer that is not HTTP', (socket) => socket.end('220 mail.example ESMTP\r\n')],
  [
    'bad_answer',
    'more than one answer to one request',
    (socket) => socket.end('HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n'),
  ],
  ['timeout', 'an answer that does not come', () => {}],
  ['status_5xx', 'a 503', (socket) => socket.end('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n')],
  ['status_4xx', 'a 404', (socket) => socket.end('HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n')],
  [
    'bad_redirect',
    'a redirect to nowhere',
    (socket) => socket.end('HTTP/1.1 307 Go\r\nLocation: mailto:x\r\nContent-Length: 0\r\n\r\n'),
  ],
  [
    'too_many_redirects',
    'a redirect in a circle',
    (socket) => socket.end('HTTP/1.1 307 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'),
  ],
];
for (const [name, what, behave] of failing) {
  test(`${what} is counted as ${name}`, async (t) => {
    // Once the request is read: closing with unread input would reset the connection instead.
    const url = await serveTcp(t, (socket) => socket.once('data', () => behave(socket)));
    const result = await runVisits({
      urls: [url],
      rate: 50,
      durationMs: 100,
      timeoutMs: name === 'timeout' ? 2000 : 10_000,
    });
    t.deepEqual(result.failures, { [name]: 5 });
    t.like(result, { visits: 5, succeeded: 0, failed: 5 });
    t.is(result.failedAfter.count, 5);
    if (name === 'timeout') t.true(result.failedAfter.min >= 1_999_000);
  });
}

test('a refused connection is counted as refused', async (t) => {
  // Where nobody listens, and which the kernel gives to no test beside this one.
  const result = await runVisits({ urls: ['http://127.0.0.1:1/'], ...short });
  t.deepEqual(result.failures, { refused: 20 });
});

test('visits above the cap are failures that are counted, and the result says so', async (t) => {
  const url = await serveTcp(t, () => {});
  // However late a busy machine begins the last visit, the first five are still waiting then.
  const result = await runVisits({ urls: [url], ...short, maxInFlight: 5, timeoutMs: 4000 });
  t.deepEqual(result.failures, { over_cap: 15, timeout: 5 });
  t.false(result.generator.keptUp);
});

test('what the warm-up does is in no figure', async (t) => {
  let answered = 0;
  const url = await serve(t, (_, answer) => {
    answer.statusCode = ++answered <= 20 ? 500 : 200;
    answer.end();
  });
  const result = await runVisits({ urls: [url], ...short, warmUpMs: 200 });
  t.is(answered, 40);
  t.like(result, { visits: 20, succeeded: 20, failed: 0, connections: 20 });
});

test('an aborted run keeps what it measured and counts apart what was going on', async (t) => {
  const stop = new AbortController();
  let answered = 0;
  const url = await serve(t, (_, answer) => {
    // The eleventh is never answered: it is going on when the run ends.
    if (answered === 10) return;
    answered++;
    answer.end();
  });
  const result = await runVisits({
    urls: [url],
    rate: 20,
    durationMs: 60_000,
    signal: stop.signal,
    onProgress: ({ done, inFlight }) => done === 10 && inFlight > 0 && stop.abort(),
  });
  t.like(result, { complete: false, succeeded: 10, failed: 0 });
  // It is looked at four times a second; a busy machine may take longer.
  t.true(result.interrupted >= 1 && result.interrupted <= 40, `${result.interrupted} interrupted`);
});

test('results can be added together as if they had been one run', async (t) => {
  const url = await serve(t, (_, answer) => answer.end());
  const one = await runVisits({ urls: [url], ...short });
  const other = await runVisits({ urls: [url], ...short });
  const both = mergeHistograms([one.latency.histogram, other.latency.histogram]);
  t.is(both.totalCount, 40);
});

test.serial('a generator that is held up begins every visit and says how late it was', async (t) => {
  const url = await serve(t, (_, answer) => answer.end());
  const running = runVisits({ urls: [url], rate: 100, durationMs: 500 });
  setTimeout(() => {
    const until = performance.now() + 200;
    while (performance.now() < until);
  }, 100);
  const result = await running;
  t.is(result.visits, 50);
  t.true(result.lateness.late >= 19, String(result.lateness.late));
  t.true(result.lateness.p99 > 180_000);
  t.true(result.latency.p99 >= result.lateness.p99 * 0.99);
  t.false(result.generator.keptUp);
});
