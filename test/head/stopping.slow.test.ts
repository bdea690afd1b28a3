/** What a head that is told to stop does with those who are about to connect, and with those who have never said a word. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { startCluster } from '../support/cluster.ts';
import { visit, visitSteadily } from '../support/load.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

for (const [name, args] of [
  ['one worker', ['--workers', '1']],
  ['three workers', ['--workers', '3']],
  ['accepting deferred', ['--workers', '2', '--defer-accept', '1s']],
] as const) {
  test.serial(
    `nobody is reset who comes while the head stops: each is served or refused, ${name}`,
    async (t) => {
      const cluster = await startCluster(t, args, ['d1']);
      // A browser's connection in reserve: it does not hold the head up.
      const silent = await open(cluster.listen);
      const silentEnds = once(silent.resume(), 'end');
      t.teardown(async () => void silent.destroy());
      const running = visitSteadily(cluster.listen, '/bytes/1', {
        count: 600,
        perSecond: 400,
        timeoutMs: 60_000,
      });
      await cluster.untilStatus('many came', ({ accepted }) => accepted > 200);
      const began = performance.now();
      await cluster.head.stop();
      const millis = performance.now() - began;
      if (!args.includes('--defer-accept' as never)) await silentEnds;
      const kinds = new Map<string, number>();
      for (const { status, error } of await running) {
        const kind = status > 0 ? String(status) : error.includes('ECONNREFUSED') ? 'refused' : error;
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      t.log([...kinds].map(([kind, count]) => `${kind}: ${count}`).join(', '));
      t.deepEqual(
        [...kinds.keys()].filter((kind) => kind !== '200' && kind !== 'refused'),
        [],
      );
      // The silent one is among those that came.
      t.true(kinds.get('200')! >= 200);
      // The stop timeout is 10 s, the time for a head as well.
      t.true(millis < 8000, `${millis.toFixed(0)} ms to stop`);
    },
  );
}

test.serial('a head that has nothing to do ends at once when it is told to', async (t) => {
  const times: number[] = [];
  // The best of some: a busy machine gives none of them its time.
  for (let i = 0; i < 5 && Math.min(...times, Number.POSITIVE_INFINITY) > 500; i++) {
    const cluster = await startCluster(t, ['--workers', '2'], []);
    const began = performance.now();
    await cluster.head.stop();
    times.push(performance.now() - began);
  }
  t.true(Math.min(...times) < 500, `${times.map(Math.round)} ms`);
});

for (const [mode, statusLine] of [
  ['handoff', 'HTTP/1.1 200'],
  ['redirect', 'HTTP/1.1 408'],
] as const) {
  test.serial(
    `${mode}: half a request head does not keep the deliveries from the successor, and comes to its answer`,
    async (t) => {
      // Far longer than the test may take.
      const times = ['--head-timeout', '100s', '--stop-timeout', '100s'];
      const cluster = await startCluster(t, ['--workers', '1', '--mode', mode, ...times], ['d1']);
      const client = await open(cluster.listen);
      t.teardown(async () => void client.destroy());
      const answer = text(client);
      client.write('GET /bytes/3 HTTP/1.1\r\nHo');
      await cluster.untilStatus('it is there', ({ accepted }) => accepted === 1);
      process.kill(cluster.head.pid, 'SIGTERM');
      await until(
        'the paths are free',
        () => existsSync(cluster.socket) || existsSync(cluster.admin),
        (there) => !there,
      );
      await cluster.restartHead('--mode', 'handoff', '--first-delivery-within', '30s');
      t.is((await visit(cluster.listen, '/bytes/3')).status, 200);
      client.write('st: x\r\nConnection: close\r\n\r\n');
      t.is((await answer).slice(0, statusLine.length), statusLine);
    },
  );
}
