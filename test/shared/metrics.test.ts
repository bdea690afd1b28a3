/** Metrics over TCP, and how they are written. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { Metrics } from '../../shared/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../../shared/metrics-server.ts';
import { parseHostPort } from '../../shared/units.ts';
import { until } from '../support/until.ts';

test('values, labels and buckets are written as Prometheus reads them', async (t) => {
  const metrics = new Metrics();
  metrics.counter('a_total', 'with a \\ and\na line', (set) => {
    set(1);
    set(2.5, { name: 'a "quoted" \\ line\nend', more: 'x' });
  });
  metrics.gauge('b', 'edges', (set) => {
    for (const value of [Infinity, -Infinity, Number.NaN, 1e21, 0.000001]) set(value);
  });
  metrics.states('c', 'a state', 'state', ['up', 'down'], (set) => set('down', { name: 'd1' }));
  metrics.histogram('d_seconds', 'buckets', [0.1, 1], () => [
    { labels: { way: 'fd' }, counts: [1, 2, 3], sum: 9 },
  ]);
  t.is(
    await metrics.metrics(),
    `# HELP a_total with a \\\\ and\\na line
# TYPE a_total counter
a_total 1
a_total{name="a \\"quoted\\" \\\\ line\\nend",more="x"} 2.5
# HELP b edges
# TYPE b gauge
b +Inf
b -Inf
b NaN
b 1e+21
b 0.000001
# HELP c a state
# TYPE c gauge
c{name="d1",state="up"} 0
c{name="d1",state="down"} 1
# HELP d_seconds buckets
# TYPE d_seconds histogram
d_seconds_bucket{way="fd",le="0.1"} 1
d_seconds_bucket{way="fd",le="1"} 3
d_seconds_bucket{way="fd",le="+Inf"} 6
d_seconds_sum{way="fd"} 9
d_seconds_count{way="fd"} 6
`,
  );
});

async function serve(t: ExecutionContext, read: () => number = () => 1): Promise<MetricsServer> {
  const metrics = new Metrics();
  metrics.gauge('x', 'x', (set) => set(read()));
  const server = await startMetricsServer({ host: '127.0.0.1', port: 0 }, metrics);
  t.teardown(() => server.close());
  return server;
}

const dial = async ({ address }: MetricsServer): Promise<Socket> => {
  const socket = connect(parseHostPort(address)!);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
};

test('GET and HEAD of /metrics are answered, and nothing else', async (t) => {
  const server = await serve(t);
  const ask = async (request: string): Promise<string> => {
    const socket = await dial(server);
    socket.end(request);
    return await text(socket);
  };
  const end = 'HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  t.regex(
    await ask(`GET /metrics?a=b ${end}`),
    /^HTTP\/1\.1 200 OK[\s\S]*text\/plain; version=0\.0\.4[\s\S]*\nx 1\n$/,
  );
  t.regex(await ask(`HEAD /metrics ${end}`), /^HTTP\/1\.1 200 OK[\s\S]*content-length: \d\d[\s\S]*\r\n\r\n$/);
  for (const path of ['/', '/status', '/mode', '/deliveries/d1/drain', '/metrics/', '//metrics'])
    t.regex(await ask(`GET ${path} ${end}`), /^HTTP\/1\.1 404 /, path);
  for (const [method, path] of [
    ['PUT', '/mode'],
    ['POST', '/deliveries/d1/drain'],
    ['POST', '/metrics'],
    ['DELETE', '/metrics'],
    ['OPTIONS', '/metrics'],
  ])
    t.regex(await ask(`${method} ${path} ${end}`), /^HTTP\/1\.1 405 [\s\S]*allow: GET, HEAD/);
  t.regex(await ask(`GET /metrics HTTP/1.1\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
});

test('those who are connected are bounded, and who says nothing is dropped for others', async (t) => {
  const server = await serve(t);
  const silent = await Promise.all(Array.from({ length: 40 }, () => dial(server)));
  const closed = new Set<Socket>();
  for (const socket of silent) {
    socket.once('close', () => closed.add(socket)).resume();
    if (socket.closed) closed.add(socket);
  }
  await until(
    'those beyond the bound are closed',
    () => closed.size,
    (count) => count >= 8,
  );
  t.true(closed.size < 40, 'not all at once');
  await until(
    'the silent ones are closed',
    () => closed.size,
    (count) => count === 40,
  );
  const socket = await dial(server);
  socket.end('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.regex(await text(socket), /\nx 1\n$/);
});

test('a crowd of readers does not make the values be gathered more often', async (t) => {
  let gathered = 0;
  const server = await serve(t, () => ++gathered);
  const socket = await dial(server);
  const before = performance.now();
  socket.end(
    `${'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200)}GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  const answers = (await text(socket)).match(/^x \d+$/gm)!;
  t.is(answers.length, 201);
  t.true(gathered <= 2 + (performance.now() - before) / 100, `${gathered} times`);
});

test('an address that is taken is said', async (t) => {
  const { address } = await serve(t);
  await t.throwsAsync(startMetricsServer(parseHostPort(address)!, new Metrics()), {
    code: 'PORT_IN_USE',
    message: /--metrics/,
  });
});
