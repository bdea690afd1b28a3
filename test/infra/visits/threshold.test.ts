import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { runVisits } from '../../../infra/visits/run.ts';
import { summarise } from '../../../infra/visits/summary.ts';
import { parseThreshold } from '../../../infra/visits/threshold.ts';
import { createServer } from '../../../shared/node-http.ts';

const server = createServer((_, answer) =>
  setTimeout(() => answer.writeHead(calls++ % 2 === 0 ? 200 : 500).end(), 20),
);
let calls = 0;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const result = await runVisits({
  urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`],
  rate: 100,
  durationMs: 200,
});
server.close();

const table: [string, boolean][] = [
  ['p99>19ms', true],
  ['p50 > 5s', false],
  ['p50<19ms', false],
  ['max<1m', true],
  ['mean>100us', true],
  ['connect.p50>10s', false],
  ['firstByte.p50>19', true],
  ['p99.9>19ms', true],
  ['p99.9>5s', false],
  ['total.p99.9>19ms', true],
  ['connect.p99.9>10s', false],
  ['connect.p99.9<10s', true],
  ['firstByte.p999>19ms', true],
  ['failures>0', true],
  ['failures>10', false],
  ['failures>49.9%', true],
  ['failures>50%', false],
  ['rate<30', false],
  ['rate>30', true],
  ['late>100%', false],
];
for (const [text, crossed] of table) {
  test(`a run of 20 visits of 20 ms, half of them failed, ${crossed ? 'crosses' : 'keeps'} ${text}`, (t) => {
    t.is(parseThreshold(text).check(result) !== undefined, crossed, parseThreshold(text).check(result));
  });
}

for (const text of [
  '',
  'p99',
  'p99>',
  'p99>fast',
  'p98>1ms',
  'p99=1ms',
  'nowhere.p99>1ms',
  'connect.p99.anything>10s',
  'connect.p99.9.9>10s',
  'connect.p99.99>10s',
  'connect.>10s',
  '.p99>10s',
  'total.total.p99>10s',
  'connect>10s',
  'toString>10s',
  'connect.constructor>10s',
  'p99.>10s',
  'failures>1ms',
  'rate>5%',
]) {
  test(`"${text}" is not a limit`, (t) => {
    t.throws(() => parseThreshold(text), { code: 'BAD_OPTION' });
  });
}

test('a limit on the last of a thousand reads that figure and no other', (t) => {
  const slow = {
    ...result,
    latency: { ...result.latency, p99: 1000, p999: 9000 },
    phases: { ...result.phases, connect: { ...result.phases.connect, p99: 100, p999: 900 } },
  };
  t.regex(parseThreshold('p99.9>5ms').check(slow) ?? '', /^p99\.9 is 9\.000 ms/);
  t.regex(parseThreshold('connect.p99.9>500us').check(slow) ?? '', /^connect\.p99\.9 is 0\.900 ms/);
  t.is(parseThreshold('p99>5ms').check(slow), undefined);
  t.is(parseThreshold('connect.p99>500us').check(slow), undefined);
});

test('a limit on times is crossed when no visit succeeded', (t) => {
  const none = { ...result, latency: { ...result.latency, count: 0 } };
  t.regex(parseThreshold('p99>1h').check(none) ?? '', /no visit succeeded/);
});

test('a limit on what no visit had is crossed, and says so', (t) => {
  t.regex(parseThreshold('message.p99<1h').check(result) ?? '', /no visit succeeded that has this figure/);
  t.is(
    parseThreshold('secure.p99<1h').check(result),
    'secure.p99 is 0.000 ms, against the limit secure.p99<1h',
  );
});

test('a failure that needs it is explained below its count', (t) => {
  const summary = summarise({
    ...result,
    failures: { tls_unknown_ca: 1, tls_alert_bad_record_mac: 2, refused: 3 },
  });
  t.regex(summary, /^failed +refused 3, tls_alert_bad_record_mac 2, tls_unknown_ca 1$/m);
  t.regex(summary, /^ +tls_unknown_ca: .*--ca FILE/m);
  t.regex(summary, /^ +tls_alert_bad_record_mac: .*bad record mac$/m);
  t.notRegex(summary, /^ +refused:/m);
});

test('the summary names the failures', (t) => {
  t.regex(summarise(result), /^failed +status_5xx 10$/m);
  t.regex(summarise(result), /^succeeded +10$/m);
});
