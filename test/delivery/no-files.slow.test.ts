import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { startCluster } from '../support/cluster.ts';
import { open, send } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/hog-app.ts', import.meta.url));
const ask = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** A head, deliveries called `names`, and one whose application has left it no file to open. */
async function start(t: ExecutionContext, names: readonly string[], ofHead: readonly string[] = []) {
  const cluster = await startCluster(t, ofHead, names);
  const args = ['-c', 'ulimit -n 400; exec "$0" "$@"', process.execPath, program, cluster.socket];
  const hog = execa('sh', args, { reject: false, buffer: false });
  t.teardown(async () => {
    hog.kill('SIGKILL');
    await hog;
  });
  await once(hog.stdout, 'data');
  return { ...cluster, free: () => hog.stdin.end() };
}

test('a delivery that can open no file costs no visit where there is another, and is seldom asked', async (t) => {
  const { listen, status, free, untilStatus } = await start(t, ['d1']);
  for (let i = 0; i < 400; i++) t.is((await send(listen, ask)).status, 200);
  const hog = (await status()).deliveries.find(({ name }) => name === 'hog')!;
  t.true(hog.returned > 0 && hog.returned < 40, `${hog.returned} returned`);
  free();
  await until(
    'it gets some again',
    async () => (await send(listen, ask)).rest.toString(),
    (body) => body === 'hog',
  );
  await untilStatus('no credit in use', ({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0));
});

test('alone it has its visits wait until there are files, and then serves them all', async (t) => {
  const { listen, free, metric, untilStatus } = await start(t, []);
  const visits = Array.from({ length: 50 }, () => send(listen, ask));
  // A client that goes meanwhile is nobody's trouble.
  const gone = await open(listen);
  gone.write(ask);
  await untilStatus('each has come back', ({ deliveries }) => deliveries[0]!.returned > visits.length + 1);
  gone.resetAndDestroy();
  await until(
    'its going is seen',
    () => metric('baton_inspection_failures_total{reason="client_gone"}'),
    (count) => count === 1,
  );
  free();
  for (const { status } of await Promise.all(visits)) t.is(status, 200);
  await untilStatus('no credit in use', ({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0));
});

test('nobody waits for it longer than for a request', async (t) => {
  const { listen, free, untilStatus } = await start(t, [], ['--head-timeout', '1s']);
  const began = performance.now();
  t.is((await send(listen, ask)).status, 503);
  t.true(performance.now() - began > 900);
  free();
  await until(
    'it serves',
    async () => (await send(listen, ask)).status,
    (status) => status === 200,
  );
  await untilStatus('no credit in use', ({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0));
});

test('a head that stops gives those that wait a second, and then an answer', async (t) => {
  const { listen, head, untilStatus } = await start(t, []);
  const visit = send(listen, ask);
  await untilStatus('it has come back', ({ deliveries }) => deliveries[0]!.returned > 0);
  await Promise.all([head.stop(), visit]);
  t.is((await visit).status, 503);
});
