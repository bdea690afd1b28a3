import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { runVisits } from '../../../infra/visits/run.ts';
import { summarise } from '../../../infra/visits/summary.ts';
import { parseThreshold } from '../../../infra/visits/threshold.ts';

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
  ['failures>0', true],
  ['failures>10', false],
  ['failures>49.9%', true],
  ['failures>50%', false],
  ['rate<99', false],
  ['rate>99', true],
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
  'failures>1ms',
  'rate>5%',
]) {
  test(`"${text}" is not a limit`, (t) => {
    t.throws(() => parseThreshold(text), { code: 'BAD_OPTION' });
  });
}

test('a limit on times is crossed when no visit succeeded', (t) => {
  const none = { ...result, latency: { ...result.latency, count: 0 } };
  t.regex(parseThreshold('p99>1h').check(none) ?? '', /no visit succeeded/);
});

test('the summary names the failures', (t) => {
  t.regex(summarise(result), /^failed +status_5xx 10$/m);
  t.regex(summarise(result), /^succeeded +10$/m);
});
