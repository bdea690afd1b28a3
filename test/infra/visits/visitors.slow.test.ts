/** Visitors that stay, and that differ; and several processes that visit as one. */
import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { pacerFor, shareOf } from '../../../infra/visits/arrivals.ts';
import { fixed, parseDistribution } from '../../../infra/visits/distribution.ts';
import { openGenerators } from '../../../infra/visits/generators.ts';
import { visitResultSchema } from '../../../infra/visits/result.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';

async function serve(
  t: ExecutionContext,
  listener: RequestListener,
): Promise<{ url: string; server: Server }> {
  const server = createServer(listener).listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const requests = (text: string) =>
  parseDistribution(text, { least: 1, most: 100, whole: true, read: Number })!;

test.serial('each visit makes as many requests as are drawn for it', async (t) => {
  const { url } = await serve(t, (_, answer) => answer.end('x'));
  const options = { urls: [url], rate: 200, durationMs: 500, requestsPerVisit: requests('geometric:3') };
  const [one, same, other] = [
    await runVisits(options),
    await runVisits(options),
    await runVisits({ ...options, seed: 2 }),
  ];
  t.like(one, { succeeded: 100, failed: 0, connections: 100, requestsPerVisit: 3 });
  t.deepEqual(one.visitors, { requests: 'geometric:3', lifetime: 'none' });
  t.true(one.requests > 200 && one.requests < 420, String(one.requests));
  t.is(same.requests, one.requests);
  t.not(other.requests, one.requests);
  t.deepEqual(visitResultSchema.parse(JSON.parse(JSON.stringify(one))), one);
});

test.serial(
  'a visitor who stays spreads its requests over that, and keeps its connection; its pauses are in no figure',
  async (t) => {
    const asked: number[] = [];
    let open = 0;
    let closed = 0;
    const { url, server } = await serve(t, (_, answer) => {
      asked.push(performance.now());
      answer.end('x');
    });
    server.on('connection', (socket: Socket) => {
      open++;
      socket.once('close', () => closed++);
    });
    const began = performance.now();
    const result = await runVisits({
      urls: [url],
      rate: 10,
      durationMs: 100,
      requestsPerVisit: 3,
      lifetime: fixed(2400),
      timeoutMs: 1500,
    });
    // Longer than the time limit: pauses are not of it.
    t.true(performance.now() - began > 2300);
    t.deepEqual(result.failures, {});
    t.like(result, { succeeded: 1, failed: 0, connections: 1, requests: 3 });
    t.is(open, 1);
    t.true(asked[2]! - asked[0]! > 1000, asked.join());
    t.true(result.latency.max < 1_500_000, String(result.latency.max));
    const parts = Object.values(result.phases).reduce((sum, { mean }) => sum + mean, 0);
    t.true(Math.abs(parts - result.latency.mean) < 0.01 * result.latency.mean + 10);
    t.is(closed, 0, 'until the visitor leaves');
  },
);

test.serial(
  'a server that closes while a visitor pauses is asked again on a new connection, and one that stays then leaves',
  async (t) => {
    const { url, server } = await serve(t, (_, answer) => answer.end('x'));
    server.keepAliveTimeout = 1;
    const hint = server as Server & { keepAliveTimeoutBuffer?: number };
    hint.keepAliveTimeoutBuffer = 0;
    const began = performance.now();
    const result = await runVisits({
      urls: [url],
      rate: 10,
      durationMs: 100,
      requestsPerVisit: 2,
      lifetime: fixed(8000),
    });
    t.like(result, { succeeded: 1, failed: 0, connections: 2, requests: 2 });
    t.true(performance.now() - began < 7800, 'it has left with its second connection');
  },
);

test.serial(
  'what a server says to a visitor who has not asked ends the connection, and is no answer',
  async (t) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
        setTimeout(() => socket.write('HTTP/1.1 408 Too late\r\nContent-Length: 0\r\n\r\n'), 1000);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const result = await runVisits({
      urls: [url],
      rate: 10,
      durationMs: 100,
      requestsPerVisit: 2,
      lifetime: fixed(4000),
    });
    t.deepEqual(result.failures, {});
    t.like(result, { succeeded: 1, failed: 0, connections: 2 });
  },
);

test.serial('a run that is ended does not wait for those who stay', async (t) => {
  let answered = 0;
  const { url } = await serve(t, (_, answer) => {
    answered++;
    answer.end('x');
  });
  const stop = new AbortController();
  const running = runVisits({
    urls: [url],
    rate: 20,
    durationMs: 60_000,
    lifetime: fixed(60_000),
    signal: stop.signal,
    onProgress: () => answered > 10 && stop.abort(),
  });
  const result = await running;
  t.false(result.complete);
  t.true(result.succeeded > 3, String(result.succeeded));
  t.is(result.failed, 0);
});

for (const kind of ['constant', 'poisson', 'burst'] as const) {
  test(`${kind} arrivals of three generators together are those of one`, (t) => {
    const take = (pacer: () => number, count: number) => Array.from({ length: count }, pacer);
    const all = take(pacerFor(kind, 7, 5), 30);
    const parts = [0, 1, 2].flatMap((index) => take(shareOf(pacerFor(kind, 7, 5), { index, of: 3 }), 10));
    t.deepEqual(
      parts.sort((one, other) => one - other),
      all,
    );
  });
}

test.serial('three processes visit as one: every visit once, their histograms added together', async (t) => {
  const paths: string[] = [];
  const { url } = await serve(t, (request, answer) => {
    paths.push(request.url!);
    answer.end('x');
  });
  const generators = await openGenerators(3, 30);
  t.teardown(() => generators.close());
  const urls = [`${url}/a`, `${url}/b`];
  const result = await generators.run({ urls, rate: 150, durationMs: 1000, samples: true, warmUpMs: 100 });
  t.like(result, { visits: 150, succeeded: 150, failed: 0, connections: 150, complete: true });
  t.is(result.generator.processes, 3);
  t.is(result.latency.count, 150);
  t.is(result.samples!.startMicros.length, 150);
  t.true(
    Math.abs(result.offeredRate - 150) < 1e-6 && Math.abs(result.achievedRate - 150) < 30,
    String(result.achievedRate),
  );
  // One every 1/150 s, whoever makes it.
  const starts = result.samples!.startMicros.toSorted((one, other) => one - other);
  for (const [at, start] of starts.entries())
    t.true(Math.abs(start - at * (1e6 / 150) - starts[0]!) < 20, `${at}: ${start}`);
  t.is(
    paths.filter((path) => path === '/a').length,
    paths.filter((path) => path === '/b').length + (paths.length % 2),
  );
  // And once more with the same processes.
  const again = await generators.run({ urls, rate: 60, durationMs: 300 });
  t.is(again.succeeded, 18);
});

test.serial(
  'several that are interrupted tell what they have, and what is wrong with what they are asked',
  async (t) => {
    const { url } = await serve(t, (_, answer) => answer.end('x'));
    const generators = await openGenerators(2, 30);
    t.teardown(() => generators.close());
    const stop = new AbortController();
    const result = await generators.run({
      urls: [url],
      rate: 100,
      durationMs: 60_000,
      signal: stop.signal,
      onProgress: ({ done }) => done > 20 && stop.abort(),
    });
    t.false(result.complete);
    t.true(result.succeeded > 20);
    await t.throwsAsync(generators.run({ urls: ['nonsense'], rate: 10, durationMs: 100 }), {
      message: /http:\/\/HOST/,
    });
    const aborted = new AbortController();
    aborted.abort();
    t.is(
      (await generators.run({ urls: [url], rate: 10, durationMs: 60_000, signal: aborted.signal })).visits,
      0,
    );
  },
);

test.serial('how many are slow is told as soon as it is clear, of those that go on too', async (t) => {
  const { url } = await serve(t, (request, answer) => {
    if (request.url === '/quick') answer.end();
  });
  const counts: number[] = [];
  const stop = new AbortController();
  const result = await runVisits({
    urls: [`${url}/quick`, `${url}/never`],
    rate: 50,
    durationMs: 60_000,
    timeoutMs: 60_000,
    signal: stop.signal,
    slow: {
      afterMs: 300,
      onCount(count) {
        counts.push(count);
        if (count >= 5) stop.abort();
      },
    },
  });
  t.true(
    counts.at(-1)! >= 5 && counts.every((count, at) => at === 0 || count > counts[at - 1]!),
    counts.join(),
  );
  t.is(result.failed, 0);
  t.true(result.interrupted >= 5);
});
