/** `--metrics` of a head and of a delivery, as Prometheus itself finds them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { startCluster } from '../../support/cluster.ts';
import { visitSteadily } from '../../support/load.ts';
import { needing } from '../../support/needs.ts';
import { until } from '../../support/until.ts';

const scrape = async (address: unknown): Promise<string> => (await fetch(`http://${address}/metrics`)).text();
const valueIn = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

test('a delivery tells what came to it, and how', async (t) => {
  const cluster = await startCluster(t, [], []);
  const delivery = await cluster.addDelivery('d1', '--credits', '77', '--metrics', '127.0.0.1:0');
  await visitSteadily(cluster.listen, '/bytes/1', { count: 20, perSecond: 200 });
  await visitSteadily(delivery.direct, '/bytes/1', { count: 5, perSecond: 200 });
  const text = await until(
    'all are counted and closed',
    () => scrape(delivery.ready.metrics),
    (now) =>
      valueIn(now, 'baton_receiver_connections_open{how="handed_over"}') === 0 &&
      valueIn(now, 'baton_receiver_connections_open{how="direct"}') === 0,
  );
  t.is(valueIn(text, 'baton_receiver_connections_total{how="fd"}'), 20);
  t.is(valueIn(text, 'baton_receiver_connections_total{how="migrate"}'), 0);
  t.is(valueIn(text, 'baton_receiver_connections_total{how="direct"}'), 5);
  t.is(valueIn(text, 'baton_receiver_requests_total'), 25);
  t.is(valueIn(text, 'baton_receiver_credits'), 77);
  t.is(valueIn(text, 'baton_receiver_registered'), 1);
  t.true(valueIn(text, 'nodejs_eventloop_turns_total')! > 0);
  await until(
    'the delay is measured',
    () => scrape(delivery.ready.metrics),
    (now) => valueIn(now, 'nodejs_eventloop_delay_seconds_count')! > 0,
  );
  await cluster.head.stop();
  await until(
    'it knows that it has no head',
    () => scrape(delivery.ready.metrics),
    (now) => valueIn(now, 'baton_receiver_registered') === 0,
  );
});

needing('promtool')('promtool has nothing against the metrics', async (t) => {
  const cluster = await startCluster(t, ['--metrics', '127.0.0.1:0'], []);
  const delivery = await cluster.addDelivery('d1', '--metrics', '127.0.0.1:0');
  await visitSteadily(cluster.listen, '/bytes/1', { count: 5, perSecond: 200 });
  for (const { ready } of [cluster.head, delivery]) {
    const input = await scrape(ready.metrics);
    const { exitCode, all } = await execa('promtool', ['check', 'metrics'], {
      input,
      all: true,
      reject: false,
    });
    t.deepEqual([exitCode, all], [0, '']);
  }
});

needing('prometheus')('Prometheus scrapes a head and a delivery', async (t) => {
  const cluster = await startCluster(t, ['--metrics', '127.0.0.1:0'], []);
  const delivery = await cluster.addDelivery('d1', '--metrics', '127.0.0.1:0');
  await visitSteadily(cluster.listen, '/bytes/1', { count: 5, perSecond: 200 });
  const config = join(cluster.directory, 'prometheus.yml');
  const targets = [cluster.head, delivery].map(({ ready }) => `'${ready.metrics}'`).join();
  await writeFile(
    config,
    `scrape_configs: [{job_name: baton, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{targets: [${targets}]}]}]`,
  );
  const storage = join(cluster.directory, 'tsdb');
  await mkdir(storage);
  const listen = `127.0.0.1:${await freePort()}`;
  const prometheus = spawn(
    'prometheus',
    [`--config.file=${config}`, `--storage.tsdb.path=${storage}`, `--web.listen-address=${listen}`],
    { stdio: 'ignore' },
  );
  t.teardown(async () => {
    prometheus.kill('SIGKILL');
    if (prometheus.exitCode === null) await once(prometheus, 'exit');
  });
  const query = async (expression: string): Promise<number> => {
    const url = `http://${listen}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const answer = await fetch(url).catch(() => undefined);
    if (!answer?.ok) return Number.NaN;
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? Number.NaN);
  };
  await until(
    'both are up',
    () => query('sum(up)'),
    (sum) => sum === 2,
  );
  t.is(await query('sum(baton_connections_accepted_total)'), 5);
  t.is(await query('baton_receiver_connections_total{how="fd"}'), 5);
  t.is(await query('count(baton_build_info)'), 2);
});
