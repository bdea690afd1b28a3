import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { loadExperiments } from '../../../infra/experiments/index.ts';
import { startLoopbackLab } from '../../../infra/lab/loopback.ts';
import { visitFrom } from '../../../infra/lab/visit-from.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { visitResultSchema } from '../../../infra/visits/result.ts';
import { createServer } from '../../../shared/node-http.ts';
import { createAuthority } from '../../support/authority.ts';
import { listen } from '../../support/tls-servers.ts';

const experiments = await loadExperiments();

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
    baton(...flags, '--json', file, '--hgrm', `${file}.hgrm`),
  ]);
  t.deepEqual([table.exitCode, json.exitCode, both.exitCode], [0, 0, 0]);
  t.regex(table.stdout, /^total /m);
  t.like(visitResultSchema.parse(JSON.parse(json.stdout)), { arrivals: 'poisson', seed: 5, failed: 0 });
  t.regex(both.stdout, /^total /m);
  t.like(visitResultSchema.parse(JSON.parse(await readFile(file, 'utf8'))), {
    succeeded: 10,
    durationMs: 200,
  });
  const hgrm = await readFile(`${file}.hgrm`, 'utf8');
  t.regex(hgrm, /^ +Value +Percentile +TotalCount/m);
  t.regex(hgrm, /Total count += +10\]/);
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

test('baton visit ends with 1 when every visit failed, after it has told all it knows', async (t) => {
  const flags = ['visit', 'http://visitor:secret@127.0.0.1:1/', '--rate', '50', '--duration', '200ms'];
  const file = join(await temporary(t), 'result.json');
  const [table, json, limited] = await Promise.all([
    baton(...flags, '--json', file),
    baton(...flags, '--json', '-'),
    baton(...flags, '--fail-if', 'failures>0'),
  ]);
  t.is(table.exitCode, 1);
  t.regex(table.stdout, /^failed +refused 10$/m);
  // On a busy machine it also says that it could not keep up.
  t.is(
    table.stderr.split('\n').at(-1),
    'baton: every visit failed (refused 10); see what answers there: curl -i http://127.0.0.1:1/',
  );
  t.is(visitResultSchema.parse(JSON.parse(await readFile(file, 'utf8'))).failed, 10);
  t.is(json.exitCode, 1);
  t.is(visitResultSchema.parse(JSON.parse(json.stdout)).failed, 10);
  t.is(limited.exitCode, 3, 'a limit that is crossed says more');
  t.false([table, json, limited].some(({ stdout, stderr }) => `${stdout}${stderr}`.includes('secret')));
});

test('baton visit over TLS says whom it does not trust, whom it was told to trust and what it resumed', async (t) => {
  const authority = createAuthority();
  t.teardown(() => authority.remove());
  const server = createHttpsServer(authority.issue(['localhost']), (_, answer) => answer.end('x'));
  const url = `https://localhost:${await listen(t, server)}/`;
  const flags = ['visit', url, '--rate', '20', '--duration', '1s'];
  const [refused, trusted, json] = await Promise.all([
    baton(...flags),
    baton(...flags, '--ca', authority.file, '--resume', '--tls', '1.3'),
    baton(...flags, '--insecure', '--json', '-'),
  ]);
  t.deepEqual([refused.exitCode, trusted.exitCode, json.exitCode], [1, 0, 0]);
  t.regex(refused.stderr, /every visit failed \(tls_unknown_ca 20; .*--ca FILE.*curl -i https:/);
  t.regex(trusted.stdout, /^secure /m);
  t.regex(trusted.stdout, /^handshakes +20 \(TLSv1\.3 20; ALPN http\/1\.1 20\)/m);
  t.like(visitResultSchema.parse(JSON.parse(json.stdout)), {
    succeeded: 20,
    tls: { handshakes: 20, resumed: 0 },
  });
});

test('visits that all failed are an answer for an experiment', async (t) => {
  const lab = await startLoopbackLab({ mode: 'redirect', deliveries: 1 });
  t.teardown(lab.stop);
  const result = await visitFrom(lab.client, { urls: ['http://127.0.0.1:1/'], rate: 50, durationMs: 200 });
  t.deepEqual(result?.failures, { refused: 10 });
  await t.throwsAsync(visitFrom(lab.client, { urls: ['nonsense'], rate: 50, durationMs: 200 }), {
    code: 'LAB_FAILED',
    message: /http:\/\/HOST/,
  });
});

const wrong: [string[], RegExp][] = [
  [['visit', 'ftp://example.org/'], /http:\/\/HOST/],
  [['visit', 'https://127.0.0.1/', '--ca', '/nowhere.pem'], /--ca: cannot read it.*ENOENT/],
  [['visit', 'https://127.0.0.1/', '--ca', main], /--ca: it has no certificate in PEM/],
  [['visit', 'https://127.0.0.1/', '--ca', main, '--insecure'], /give one of them/],
  [['visit', 'https://127.0.0.1/', '--tls', '1.1'], /--tls: give one of 1\.2, 1\.3/],
  [['visit', 'wss://127.0.0.1/', '--http2'], /leave out --http2/],
  [['visit', 'https://127.0.0.1/', '--messages', '3'], /give a ws or wss URL/],
  [['visit', 'http://127.0.0.1/', '--rate', 'many'], /--rate/],
  [['visit', 'http://127.0.0.1/', '--rate', '0'], /--rate/],
  [['visit', 'http://127.0.0.1/', '--duration', 'long'], /--duration/],
  [['visit', 'http://127.0.0.1/', '--arrivals', 'never'], /constant, poisson, burst/],
  [['visit', 'http://127.0.0.1/', '--requests-per-visit', '1.5'], /--requests-per-visit/],
  [['visit', 'http://127.0.0.1/', '--fail-if', 'p99'], /--fail-if/],
  [['visit', 'http://127.0.0.1/', '--fail-if', 'connect.p99.anything>10s'], /--fail-if.*p99\.9/],
  [['visit', 'http://127.0.0.1/', '--start-at', 'soon'], /--start-at/],
  [['visit'], /URL/],
  [['compare', 'one.json'], /two or more/],
  [['compare', 'none.json', 'nothing.json'], /does not exist/],
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

test('baton lab list names every experiment, and schema describes a report', async (t) => {
  const [list, schema] = await Promise.all([baton('lab', 'list'), baton('lab', 'schema')]);
  t.deepEqual([list.exitCode, schema.exitCode], [0, 0]);
  for (const { name } of experiments) t.regex(list.stdout, new RegExp(`^${name} {2}`, 'm'));
  t.true(JSON.parse(schema.stdout).required.includes('comparisons'));
});

test('every experiment says what it asks, in a file of its own name', async (t) => {
  const files = await readdir(new URL('../../../infra/experiments', import.meta.url));
  for (const { name, question, title } of experiments) {
    t.true(files.includes(`${name}.ts`), name);
    t.regex(question, /\?$/);
    t.true(title.length < 110, title);
  }
});

test.serial('baton lab that is interrupted reports what it measured and leaves nothing behind', async (t) => {
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
  t.true(measured('direct') > 0 && measured('handoff-fd') > 0);
  t.is(measured('created'), 0);
});

test.serial(
  'baton compare reads what baton lab wrote, and refuses what is of another experiment',
  async (t) => {
    const out = await temporary(t);
    const run = async () => (await baton('lab', 'session', '--quick', '--out', out)).exitCode;
    t.deepEqual([await run(), await run()], [0, 0]);
    const reports = (await readdir(out))
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(out, name));
    t.is(reports.length, 2);
    const page = join(out, 'compared.html');
    const compared = await baton('compare', ...reports, '--html', page);
    t.is(compared.exitCode, 0, compared.stderr);
    t.regex(compared.stdout, /^Too few rounds to call anything a difference/);
    t.regex(compared.stdout, /^B - A, direct, 30 requests .*too few rounds$/m);
    t.true((await readFile(page, 'utf8')).startsWith('<!doctype html>'));
    const json = await baton('compare', ...reports, '--json', '-');
    t.is(JSON.parse(json.stdout).comparisons.p50[0].b, 'B');

    const other = join(out, 'other.json');
    await writeFile(other, (await readFile(reports[0]!, 'utf8')).replace('"session"', '"modes"'));
    const refused = await baton('compare', reports[0]!, other);
    t.is(refused.exitCode, 2);
    t.regex(refused.stderr, /different experiments.*session, modes/);
  },
);

test.serial(
  'clients: curl stops at a 307 and a 201, follows a 307 with -L, and notices nothing of a handoff',
  async (t) => {
    const directory = await temporary(t);
    // A machine that has no other client than curl.
    for (const tool of ['curl', 'sh', 'head', 'id', 'cat', 'mktemp', 'rm'])
      await symlink((await execa('sh', ['-c', `command -v ${tool}`])).stdout, join(directory, tool));
    const out = join(directory, 'reports');
    const { exitCode, stderr } = await execa(
      process.execPath,
      [main, 'lab', 'clients', '--quick', '--out', out],
      { reject: false, env: { PATH: directory } },
    );
    t.is(exitCode, 0, stderr);
    const [file] = (await readdir(out)).filter((name) => name.endsWith('.json'));
    const { tables } = reportSchema.parse(JSON.parse(await readFile(join(out, file!), 'utf8')));
    const row = (name: string) => tables[0]!.rows.find(([first]) => first === name)!.slice(1);
    // Directly, handed over, by 307, by 201; GET and POST.
    const served = ['served', 'served, with the body'];
    const stopped = (status: number) => [`stopped at the ${status}`, `stopped at the ${status}`];
    t.deepEqual(row('curl'), [...served, ...served, ...stopped(307), ...stopped(201)]);
    t.deepEqual(row('curl -L'), [...served, ...served, ...served, ...stopped(201)]);
    t.is(row('wget')[0], 'not installed: sudo apt-get install wget');
  },
);
