import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { reportSchema } from '../../../infra/report/schema.ts';
import { visitResultSchema } from '../../../infra/visits/result.ts';

const main = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));
const baton = (...args: string[]) => execa(process.execPath, [main, ...args], { reject: false });

async function serve(t: ExecutionContext): Promise<string> {
  const server = createServer((_, answer) => answer.end('x')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function temporary(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

test('baton visit prints a table, or its result as JSON, or both', async (t) => {
  const url = await serve(t);
  const file = join(await temporary(t), 'result.json');
  const flags = ['visit', url, '--rate', '50', '--duration', '0.2'];
  const [table, json, both] = await Promise.all([
    baton(...flags),
    baton(...flags, '--json', '-', '--arrivals', 'poisson', '--seed', '5'),
    baton(...flags, '--json', file),
  ]);
  t.deepEqual([table.exitCode, json.exitCode, both.exitCode], [0, 0, 0]);
  t.regex(table.stdout, /^total /m);
  t.like(visitResultSchema.parse(JSON.parse(json.stdout)), { arrivals: 'poisson', seed: 5, failed: 0 });
  t.regex(both.stdout, /^total /m);
  t.like(visitResultSchema.parse(JSON.parse(await readFile(file, 'utf8'))), {
    succeeded: 10,
    durationMs: 200,
  });
});

test('baton visit ends with 3 when a limit is crossed, and with 0 when all hold', async (t) => {
  const url = await serve(t);
  const flags = ['visit', url, '--rate', '50', '--duration', '200ms', '--fail-if', 'failures>0'];
  const [kept, crossed] = await Promise.all([baton(...flags), baton(...flags, '--fail-if', 'p50>1us')]);
  t.is(kept.exitCode, 0);
  t.is(crossed.exitCode, 3);
  t.regex(crossed.stderr, /^baton: p50 is [\d.]+ ms, against the limit p50>1us$/m);
  t.regex(crossed.stdout, /^total /m);
});

const wrong: [string[], RegExp][] = [
  [['visit', 'https://example.org/'], /http:\/\/HOST/],
  [['visit', 'http://127.0.0.1/', '--rate', 'many'], /--rate/],
  [['visit', 'http://127.0.0.1/', '--rate', '0'], /--rate/],
  [['visit', 'http://127.0.0.1/', '--duration', 'long'], /--duration/],
  [['visit', 'http://127.0.0.1/', '--arrivals', 'bursts'], /constant, poisson/],
  [['visit', 'http://127.0.0.1/', '--requests-per-visit', '1.5'], /--requests-per-visit/],
  [['visit', 'http://127.0.0.1/', '--fail-if', 'p99'], /--fail-if/],
  [['visit'], /url/],
  [['lab', 'nonsense'], /nonsense.*modes/],
  [['lab', 'modes', '--on', 'the-moon'], /loopback/],
];
for (const [args, message] of wrong) {
  test(`baton ${args.join(' ')} is wrong usage, told in one line`, async (t) => {
    const { exitCode, stdout, stderr } = await baton(...args);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.is(stderr.trim().split('\n').length, 1, stderr);
  });
}

test('baton lab list names every experiment', async (t) => {
  const { exitCode, stdout } = await baton('lab', 'list');
  t.is(exitCode, 0);
  t.regex(stdout, /^modes {2}/m);
});

test('baton lab that is interrupted reports what it measured and leaves nothing behind', async (t) => {
  const directory = await temporary(t);
  const out = join(directory, 'reports');
  const child = execa(process.execPath, [main, 'lab', 'modes', '--quick', '--out', out], {
    reject: false,
    env: { TMPDIR: directory },
  });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.includes('redirect')) break;
  }
  child.kill('SIGINT');
  const { exitCode, stdout } = await child;
  t.is(exitCode, 130);
  t.regex(stdout, /interrupted/);
  t.deepEqual(await readdir(directory), ['reports']);
  const [file] = (await readdir(out)).filter((name) => name.endsWith('.json'));
  const report = reportSchema.parse(JSON.parse(await readFile(join(out, file!), 'utf8')));
  t.false(report.complete);
  const measured = (name: string) =>
    report.cases.find((each) => each.name === name)?.summary?.latency.count ?? 0;
  t.true(measured('direct') > 0 && measured('handoff') > 0);
  t.is(measured('created'), 0);
});
