/** What a crowd that says nothing costs those who do: a visit is timed before and in it. */
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { countFds, startCluster } from '../support/cluster.ts';
import { failed, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

test('5,000 idle and dripping connections do not delay a visit, and are closed at their time limit', async (t) => {
  const cluster = await startCluster(t, ['--workers', '1', '--head-timeout', '4s', '--backlog', '4096']);
  const fds = await countFds(cluster.head.pid);
  const quiet = (await visitSteadily(cluster.listen, '/bytes/1000', { count: 100, perSecond: 100 })).map(
    (v) => v.millis,
  );
  const crowd: Socket[] = [];
  t.teardown(async () => crowd.forEach((socket) => void socket.destroy()));
  for (let batch = 0; batch < 50; batch++) {
    crowd.push(...(await Promise.all(Array.from({ length: 100 }, () => open(cluster.listen)))));
  }
  const ends = crowd.map((socket) => text(socket).catch((error: Error) => error.message));
  const request = 'GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n';
  let at = 0;
  const dripping = crowd.filter((_, i) => i % 2 === 0);
  const drip = (): void => {
    for (const socket of dripping) if (socket.writable) socket.write(request[at] ?? '');
    at++;
  };
  const timer = setInterval(drip, 1000);
  t.teardown(async () => clearInterval(timer));
  t.true((await cluster.status()).open >= 4900);
  const crowded = await visitSteadily(cluster.listen, '/bytes/1000', { count: 100, perSecond: 100 });
  t.deepEqual(failed(crowded), []);
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
  const [before, during] = [median(quiet), median(crowded.map((v) => v.millis))];
  t.true(
    during < before * 3 + 5,
    `a visit took ${before.toFixed(1)} ms before and ${during.toFixed(1)} ms in the crowd`,
  );
  const answers = await Promise.all(ends);
  clearInterval(timer);
  t.is(answers.filter((answer) => answer.startsWith('HTTP/1.1 408')).length, 5000);
  await cluster.untilStatus('all are closed', (status) => status.open === 0);
  await until(
    'the fds are back',
    () => countFds(cluster.head.pid),
    (count) => count <= fds + 2,
  );
  t.is(await cluster.metric('baton_inspection_failures_total{reason="too_slow"}'), 5000);
});
