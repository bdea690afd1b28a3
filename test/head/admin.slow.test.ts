/** Asking and steering a running head: the admin interface, and the commands that use it. */
import test from 'ava';
import { execa } from 'execa';
import { baton } from '../../infra/lab/service.ts';
import { version } from '../../shared/version.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { failed, visit, visitSteadily } from '../support/load.ts';
import { needing } from '../support/needs.ts';
import { open, send } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const run = async (cluster: Cluster, ...args: string[]): Promise<string> =>
  (await execa(baton[0]!, [...baton.slice(1), ...args, '--socket', cluster.socket])).stdout;

const request = 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

test('a mode switch holds for the next accepted connection and disturbs none in progress', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'handoff', '--workers', '2'], ['d1']);
  // Accepted before the switch, its request complete after it.
  const early = await Promise.all(Array.from({ length: 8 }, () => open(cluster.listen)));
  for (const socket of early) socket.write('GET /bytes/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n');
  await cluster.untilStatus('they are accepted', ({ accepted }) => accepted === 8);
  const inProgress = visit(cluster.listen, '/delay/500');
  await cluster.untilStatus('it is taken', ({ outcomes }) => outcomes.handoff!.taken === 1);
  t.is(await run(cluster, 'mode', 'redirect'), 'redirect');
  t.is(await run(cluster, 'mode'), 'redirect');
  t.is((await send(cluster.listen, request)).status, 307);
  for (const socket of early) socket.end('\r\n');
  const answers = await Promise.all(
    early.map(async (socket) => {
      let all = '';
      for await (const chunk of socket.setEncoding('latin1')) all += chunk;
      return all;
    }),
  );
  for (const answer of answers) t.regex(answer, /^HTTP\/1.1 200 OK.*abc$/s);
  t.is((await inProgress).status, 200);
  t.is(await run(cluster, 'mode', 'created'), 'created');
  const created = await send(cluster.listen, request);
  t.is(created.status, 201);
  t.is(created.headers.location, `http://${cluster.deliveries[0]!.direct}/bytes/1`);
  t.true(created.rest.includes(`<a href="${created.headers.location}">`), 'a person is not stranded');
});

test('a drained delivery gets nothing until it is undrained', async (t) => {
  const cluster = await startCluster(t);
  t.is(await run(cluster, 'drain', 'd1'), 'd1: draining');
  await visitSteadily(cluster.listen, '/bytes/1', { count: 20, perSecond: 400 });
  const taken = async (name: string) =>
    (await cluster.status()).deliveries.find((d) => d.name === name)!.taken;
  t.deepEqual([await taken('d1'), await taken('d2')], [0, 20]);
  t.is(await run(cluster, 'undrain', 'd1'), 'd1: up');
  await visitSteadily(cluster.listen, '/bytes/1', { count: 20, perSecond: 400 });
  t.true((await taken('d1')) > 0);
});

test('status tells a person and a program the same', async (t) => {
  const cluster = await startCluster(t, ['--policy', 'least-connections']);
  await visitSteadily(cluster.listen, '/bytes/1', { count: 10, perSecond: 400 });
  await cluster.untilStatus('they are taken', ({ outcomes }) => outcomes.handoff!.taken === 10);
  const text = await run(cluster, 'status');
  t.regex(text, /mode handoff {2}policy least-connections/);
  t.regex(text, /handoff: taken 10/);
  t.regex(text, /\nd1 +up +fd +127\.0\.0\.1:\d+/);
  const json = JSON.parse(await run(cluster, 'status', '--json'));
  t.like(json, { mode: 'handoff', accepted: 10, workers: 1 });
  t.deepEqual(json.deliveries.map((d: { name: string }) => d.name).sort(), ['d1', 'd2']);
  const watched = execa(
    baton[0]!,
    [...baton.slice(1), 'status', '--watch', '--json', '--socket', cluster.socket],
    {
      reject: false,
    },
  );
  const seen: unknown[] = [];
  for await (const line of watched) {
    seen.push(JSON.parse(line));
    if (seen.length === 2) watched.kill('SIGTERM');
  }
  t.true(seen.length >= 2, 'it shows it again');
});

/** How many connections the kernel has dropped that wanted to this listener: its own count, unlike the host's. */
async function dropsAt(address: string): Promise<number> {
  const { stdout } = await execa('ss', ['-Hltnm', 'src', address]);
  return Number(/skmem:\(.*,d(\d+)\)/.exec(stdout)![1]);
}

needing('curl')(
  'the admin interface answers wrong requests with an error that says what is wrong',
  async (t) => {
    const cluster = await startCluster(t, [], []);
    const ask = async (...args: string[]) => {
      const url = `http://head${args.pop()!}`;
      const { stdout } = await execa('curl', [
        '-sS',
        '-w',
        '\n%{http_code}',
        '--unix-socket',
        cluster.admin,
        ...args,
        url,
      ]);
      const [body, status] = stdout.split('\n').filter((line) => line !== '');
      return { status: Number(status), body: JSON.parse(body!) as { error?: { code: string } } };
    };
    const errors: [number, string, string[]][] = [
      [404, 'USAGE', ['/nothing']],
      [404, 'UNKNOWN_DELIVERY', ['-X', 'POST', '/deliveries/d9/drain']],
      [400, 'USAGE', ['-X', 'POST', '/deliveries/%E0%A4%A/drain']],
      [400, 'UNKNOWN_MODE', ['-X', 'PUT', '-d', '{"mode":"teleport"}', '/mode']],
      [400, 'USAGE', ['-X', 'PUT', '-d', 'redirect', '/mode']],
      [400, 'USAGE', ['-X', 'PUT', '-d', `{"mode":"${'x'.repeat(10_000)}"}`, '/mode']],
    ];
    for (const [status, code, args] of errors) {
      const answer = await ask(...args);
      t.deepEqual([answer.status, answer.body.error?.code], [status, code], args.join(' ').slice(0, 80));
    }
    t.deepEqual((await ask('-X', 'PUT', '-d', '{"mode":"redirect"}', '/mode')).body, {
      mode: 'redirect',
    } as object);
  },
);

test('the metrics are Prometheus text and agree with the status', async (t) => {
  const cluster = await startCluster(t, ['--workers', '2']);
  await visitSteadily(cluster.listen, '/bytes/1', { count: 30, perSecond: 400 });
  await cluster.setMode('redirect');
  await visitSteadily(cluster.listen, '/bytes/1', { count: 10, perSecond: 400 });
  const status = await cluster.untilStatus('all have ended', ({ open: count }) => count === 0);
  const expected: [string, number][] = [
    ['baton_connections_accepted_total', 40],
    ['baton_connections_total{mode="handoff",outcome="taken"}', 30],
    ['baton_connections_total{mode="redirect",outcome="answered"}', 10],
    ['baton_mode{mode="redirect"}', 1],
    ['baton_handoff_seconds_count', 30],
    ['baton_handoff_seconds_bucket{le="+Inf"}', 30],
    ['baton_accept_queue_limit{worker="1"}', status.backlog],
    ['baton_accept_queue{worker="0"}', 0],
    ['baton_delivery_state{delivery="d1",state="up"}', 1],
    ['baton_delivery_connections_total{delivery="d1",how="taken"}', status.deliveries[0]!.taken],
  ];
  for (const [name, value] of expected) t.is(await cluster.metric(name), value, name);
  t.true((await cluster.metric('baton_handoff_seconds_sum')) > 0);
  t.is(await cluster.metric('baton_accept_queue_drops_total{worker="0"}'), 0);
  t.is(await cluster.metric('baton_mode{mode="handoff"}'), 0, 'the other states are 0');
  t.is(await cluster.metric('baton_delivery_state{delivery="d1",state="down"}'), 0);
  t.is(
    await cluster.metric(
      `baton_build_info{version="${version}",node="${process.versions.node}",role="head"}`,
    ),
    1,
  );
});

test('an accept queue that overflows is seen in the head that it belongs to', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--backlog', '4'], ['d1']);
  const neighbour = await startCluster(t, ['--workers', '1'], []);
  t.is((await cluster.status()).backlog, 4);
  process.kill(cluster.head.pid, 'SIGSTOP');
  t.teardown(async () => void process.kill(cluster.head.pid, 'SIGCONT'));
  const visits = Array.from({ length: 30 }, () => visit(cluster.listen, '/bytes/1', 60_000));
  await until(
    'the queue has overflowed',
    () => dropsAt(cluster.listen),
    (drops) => drops > 0,
  );
  process.kill(cluster.head.pid, 'SIGCONT');
  await cluster.untilStatus('the kernel has counted', ({ kernel }) => (kernel.listenOverflows ?? 0) > 0);
  const own = await cluster.metric('baton_accept_queue_drops_total{worker="0"}');
  // Asked after it: both go on.
  const { kernel } = await cluster.status();
  t.true(own > 0 && own <= kernel.listenDrops!, `${own} of ${kernel.listenDrops}`);
  t.true(kernel.listenDrops! >= kernel.listenOverflows!);
  t.is(await neighbour.metric('baton_accept_queue_drops_total{worker="0"}'), 0, 'another head had none');
  const answers = await Promise.all(visits);
  // Those that did not fit try again after a second: late, and served.
  t.deepEqual(failed(answers), []);
  t.true(answers.some((answer) => answer.millis > 900));
});
