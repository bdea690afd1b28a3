import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { execa } from 'execa';
import { baton } from '../../../infra/lab/service.ts';
import { ownLimits, ownShortages } from '../../../infra/visits/own-limits.ts';
import { type VisitResult, visitResultSchema } from '../../../infra/visits/result.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer } from '../../../shared/node-http.ts';
import { asRoot } from '../../support/netns.ts';

const idle = { failures: {}, lateMicros: 300, loopMicros: 300, cpuMicros: 1e6, wallMicros: 10e6 };

test('a generator that lacked nothing has nothing to say, whatever the server did', (t) => {
  const failures = { refused: 9, reset: 1, timeout: 5, status_5xx: 7, unreachable: 1, bad_answer: 1 };
  t.deepEqual(ownLimits({ ...idle, failures }), []);
});

const lacking: [string, Partial<typeof idle> | { failures: VisitResult['failures'] }, RegExp][] = [
  [
    'ports',
    { failures: { no_port: 200 } },
    /^200 visits .* port \(the range is \d+ to \d+\); .*ip_local_port_range/,
  ],
  ['files', { failures: { no_file_descriptor: 1 } }, /^1 visit .* file descriptor; .*ulimit -n/],
  ['memory', { failures: { no_memory: 2 } }, /^2 visits .* memory/],
  ['leave of its own firewall', { failures: { not_permitted: 2 } }, /^2 visits .* firewall/],
  ['room for so many at once', { failures: { over_cap: 3 } }, /^3 visits .* --max-in-flight/],
  ['time to begin', { failures: { not_sent: 4 } }, /^4 visits .* never begun; lower the rate/],
  ['punctuality', { lateMicros: 11_000 }, /began more than 11\.0 ms late/],
  ['turns of its own', { loopMicros: 25_000 }, /held up for more than 25\.0 ms/],
  ['processor', { cpuMicros: 9.5e6 }, /^it used 95 % of a core/],
];
for (const [what, measured, told] of lacking) {
  test(`a generator that lacks ${what} says so, and what to do`, (t) => {
    const [line, ...more] = ownLimits({ ...idle, ...measured });
    t.deepEqual(more, []);
    const [, text] = /^the generator could not keep up: (.*)$/.exec(line!)!;
    t.regex(text!, told);
  });
}

const withOwnNetwork = asRoot();

withOwnNetwork('a generator without free ports blames itself', async (t) => {
  const server = `require('http').createServer((q, a) => a.end('x')).listen(8080, '127.0.0.1', () => {
    require('child_process').spawn(process.argv[1], process.argv.slice(2), { stdio: 'inherit' })
      .on('exit', (code) => process.exit(code));
  })`;
  // A port of a closed connection stays closed for a minute.
  const script = `ip link set lo up
    sysctl -qw net.ipv4.ip_local_port_range="40000 40019" net.ipv4.tcp_tw_reuse=0
    exec "$@"`;
  const visit = [...baton, 'visit', 'http://127.0.0.1:8080/', '--rate', '100', '--duration', '0.5'];
  const { stdout, stderr } = await execa('unshare', [
    ...['--net', 'sh', '-c', script, 'sh', process.execPath, '-e', server],
    ...[...visit, '--json', '-'],
  ]);
  const { succeeded, failures, generator } = visitResultSchema.parse(JSON.parse(stdout));
  t.is(succeeded, 20);
  t.deepEqual(failures, { no_port: 30 });
  t.false(generator.keptUp);
  t.regex(stderr, /^baton: the generator could not keep up: 30 visits .*40000 to 40019/m);
});

test('a generator without free file descriptors blames itself', async (t) => {
  const server = createServer((_, answer) => void setTimeout(() => answer.end('x'), 1000));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const visit = [...baton, 'visit', url, '--rate', '200', '--duration', '0.5', '--json', '-'];
  const { stdout } = await execa('sh', ['-c', 'ulimit -n 64 && exec "$@"', 'sh', ...visit]);
  const { succeeded, failures, generator } = visitResultSchema.parse(JSON.parse(stdout));
  t.true(succeeded > 0);
  t.deepEqual(Object.keys(failures), ['no_file_descriptor']);
  t.false(generator.keptUp);
  t.regex(generator.warnings.join('\n'), /file descriptor.*ulimit -n/);
});

test('a generator that is held up between its visits says so', async (t) => {
  const server = createServer((_, answer) => answer.end('x')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const running = runVisits({ urls: [url], rate: 2, durationMs: 900 });
  setTimeout(() => {
    const until = performance.now() + 300;
    while (performance.now() < until);
  }, 100);
  const { generator, succeeded } = await running;
  t.is(succeeded, 2);
  t.false(generator.keptUp);
  t.regex(generator.warnings[0]!, /could not keep up/);
});

test('of a crowd that comes at once only what it lacked is told, not that it was late', (t) => {
  t.deepEqual(ownShortages({ refused: 3, timeout: 2 }), []);
  t.is(ownShortages({ refused: 3, no_port: 2, over_cap: 1 }).length, 2);
});
