import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';

test('a server that freezes is reported as slow as it was for those who came meanwhile', async (t) => {
  // Answers at once, but for half a second from 500 ms on: the visitors of that time wait until its end.
  const begun = performance.now();
  const server = createServer((_, answer) => {
    const at = performance.now() - begun;
    setTimeout(() => answer.end(), at >= 500 && at < 1000 ? 1000 - at : 0);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const result = await runVisits({ urls: [url], rate: 200, durationMs: 2500 });
  // 100 of 500 visits wait 500 ms down to 0: the slowest 1 % of all are the first 5 of them, 25 ms long, so p99 is about
  // 475 ms, and p90 (half of the 100) about 250 ms. A closed loop would have seen one slow answer in 400.
  t.is(result.succeeded, 500);
  t.true(result.latency.p99 > 455_000 && result.latency.p99 < 560_000, String(result.latency.p99));
  t.true(result.latency.p90 > 230_000 && result.latency.p90 < 340_000, String(result.latency.p90));
});
