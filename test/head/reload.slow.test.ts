/** A head reads its configuration again: what changes, what does not, and what is refused. */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { getMetrics, reload } from '../../infra/admin-client.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { baton } from '../../infra/lab/service.ts';
import { BatonError, type ErrorCode } from '../../shared/errors.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { visit } from '../support/load.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
const file = join(folder, 'head.json');
const undo: (() => Promise<void>)[] = [];
let cluster: Cluster;

/** As a careful editor does, and as a careless one. */
const configure = (settings: object | string): void =>
  writeFileSync(file, typeof settings === 'string' ? settings : JSON.stringify(settings));

const command = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const [program, ...first] = baton;
  try {
    const { stdout, stderr } = await run(program!, [...first, ...args]);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
};

test.before(async () => {
  configure({});
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, [
    '--config',
    file,
    '--workers',
    '2',
    '--stop-timeout',
    '5s',
  ]);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
  rmSync(folder, { recursive: true });
});

/** Which deliveries answer so many visits. */
async function whoAnswers(count: number): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let i = 0; i < count; i++)
    names.add((JSON.parse((await visit(cluster.listen, '/whoami')).body) as { delivery: string }).delivery);
  return names;
}

test.serial('a policy is in force for whoever is accepted after the answer', async (t) => {
  t.is((await whoAnswers(8)).size, 2);
  configure({ policy: 'client-hash' });
  t.deepEqual(await reload(cluster.admin), { changed: ['--policy'], restart: [] });
  t.is((await cluster.status()).policy, 'client-hash');
  t.is((await whoAnswers(8)).size, 1);
  configure({ policy: 'path-hash' });
  await reload(cluster.admin);
  t.is((await whoAnswers(8)).size, 1);
  configure({});
  t.deepEqual(await reload(cluster.admin), { changed: ['--policy'], restart: [] });
  t.is((await whoAnswers(8)).size, 2);
});

test.serial('limits hold for those who are in the middle of it as well', async (t) => {
  const client = await open(cluster.listen);
  client.write('GET / HTTP/1.1\r\nHost: a\r\n');
  await cluster.untilStatus('it is looked at', ({ open }) => open === 1);
  configure({ headTimeout: '50ms', lingerIdle: '100ms' });
  t.deepEqual(await reload(cluster.admin), { changed: ['--head-timeout', '--linger-idle'], restart: [] });
  t.is((await sendOn(client, '')).status, 408);
  const long = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1000)}\r\nConnection: close\r\n\r\n`;
  t.is((await send(cluster.listen, long)).status, 200);
  configure({ headBytes: 512 });
  await reload(cluster.admin);
  t.is((await send(cluster.listen, long)).status, 431);
  configure({ headBytes: '64k', maxConnections: 200, backlog: 33 });
  await reload(cluster.admin);
  const longer = long.replace('X: ', `Y: ${'y'.repeat(15_000)}\r\nX: `).replace('GET /', 'GET /bytes/7');
  t.is((await send(cluster.listen, longer)).status, 200);
  t.is((await cluster.status()).backlog, 33);
  configure({});
  t.deepEqual((await reload(cluster.admin)).changed.toSorted(), [
    '--backlog',
    '--head-bytes',
    '--max-connections',
  ]);
  t.is((await cluster.status()).backlog, 4096);
});

test.serial('connections beyond a limit that was lowered make room', async (t) => {
  configure({ maxConnections: 4, headTimeout: '20s' });
  await reload(cluster.admin);
  const clients = await Promise.all(Array.from({ length: 12 }, () => open(cluster.listen)));
  for (const client of clients) client.on('error', () => {});
  await cluster.untilStatus('no more than four are held', ({ open, inspectionFailures }) => {
    return open <= 4 && inspectionFailures.crowded! >= 8;
  });
  configure({});
  await reload(cluster.admin);
  for (const client of clients) client.destroy();
  await cluster.untilStatus('they have gone', ({ open }) => open === 0);
  t.pass();
});

test.serial(
  'the mode changes when the file says another one, and is else as an operator has switched it',
  async (t) => {
    await cluster.setMode('created');
    configure({ headTimeout: '9s' });
    await reload(cluster.admin);
    t.is((await cluster.status()).mode, 'created');
    configure({ mode: 'redirect' });
    t.true((await reload(cluster.admin)).changed.includes('--mode'));
    t.is((await cluster.status()).mode, 'redirect');
    configure({});
    await reload(cluster.admin);
    t.is((await cluster.status()).mode, 'handoff');
  },
);

test.serial('what is wrong is refused as a whole and in one line, whoever asks', async (t) => {
  configure({ policy: 'weighted' });
  await reload(cluster.admin);
  const cases: readonly (readonly [object | string, ErrorCode, RegExp])[] = [
    [{ policy: 'round-robin', headTimeout: 'soon' }, 'BAD_OPTION', /headTimeout/],
    [{ policy: 'round-robin', polcy: 'x' }, 'UNKNOWN_OPTION', /"polcy"/],
    [{ policy: 'best' }, 'BAD_OPTION', /the policies are/],
    [{ policy: 'round-robin', maxConnections: 1 }, 'BAD_OPTION', /at least one for each of the 2 workers/],
    [{ policy: 'round-robin', maxConnections: 1 << 20 }, 'FD_LIMIT', /max-connections/],
    [{ policy: 'round-robin', control: '127.0.0.1:1' }, 'BAD_OPTION', /--secret/],
    [{ policy: 'round-robin', tlsCertificate: 'a', tlsKey: 'b' }, 'CERTIFICATE_UNUSABLE', /does not exist/],
    [{ policy: 'round-robin', tlsKey: 'b' }, 'BAD_OPTION', /tls-certificate/],
    ['{"policy": "round-robin", "policy": "path-hash"}', 'CONFIG_UNREADABLE', /twice/],
    ['{"policy": "round-ro', 'CONFIG_UNREADABLE', /JSON/],
    ['', 'CONFIG_UNREADABLE', /JSON/],
  ];
  for (const [settings, code, message] of cases) {
    configure(settings);
    const error = await t.throwsAsync(reload(cluster.admin), { instanceOf: BatonError });
    t.is(error.code, code);
    t.regex(error.message, message);
    const { policy, mode } = await cluster.status();
    t.deepEqual([policy, mode], ['weighted', 'handoff']);
  }
  for (const put of [() => mkdirSync(file), () => execFileSync('mkfifo', [file]), () => {}]) {
    rmSync(file, { recursive: true });
    put();
    await t.throwsAsync(reload(cluster.admin), { code: 'CONFIG_UNREADABLE' });
  }
  configure('[]');
  const told = await command('reload', '--admin-socket', cluster.admin);
  t.deepEqual([told.code, told.stdout, told.stderr.split('\n').length], [2, '', 2]);
  t.regex(told.stderr, /^baton: cannot read the configuration file .*: it is not a JSON object\n$/);
  t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
  configure({});
  const fine = await command('reload', '--admin-socket', cluster.admin);
  t.deepEqual([fine.code, fine.stdout, fine.stderr], [0, 'in force now: --policy\n', '']);
});

test.serial('what takes a restart is named each time, and the rest is in force', async (t) => {
  configure({ metrics: '127.0.0.1:1', group: 'root', ioUring: 'off', policy: 'weighted' });
  const told = await command('reload', '--admin-socket', cluster.admin);
  t.deepEqual(told, {
    code: 1,
    stdout: 'in force now: --policy\n',
    stderr: 'baton: a restart of the head is needed for --group, --metrics, --io-uring\n',
  });
  t.like(await cluster.status(), { policy: 'weighted', listen: cluster.listen });
  t.deepEqual(await reload(cluster.admin), { changed: [], restart: ['--group', '--metrics', '--io-uring'] });
  configure({});
  t.deepEqual(await reload(cluster.admin), { changed: ['--policy'], restart: [] });
});

test.serial('what the command line says wins, again', async (t) => {
  configure({ workers: 7, stopTimeout: '1s', policy: 'weighted' });
  t.deepEqual(await reload(cluster.admin), { changed: ['--policy'], restart: [] });
  configure({});
  await reload(cluster.admin);
});

test.serial('certificates come, change and go', async (t) => {
  const files = { tlsCertificate: join(folder, 'cert.pem'), tlsKey: join(folder, 'key.pem') };
  const write = (names: string[]): void => {
    const { cert, key } = makeCertificate(names);
    writeFileSync(files.tlsCertificate, cert);
    writeFileSync(files.tlsKey, key, { mode: 0o600 });
  };
  const tls = (servername: string) => ({ tls: { servername, rejectUnauthorized: false } });
  const ask = async (name: string): Promise<number> => {
    const request = `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`;
    return (await send(cluster.listen, request, tls(name)).catch(() => ({ status: 0 }))).status;
  };
  write(['a.example']);
  configure({ mode: 'redirect' });
  await reload(cluster.admin);
  // Handed over, to a server that speaks no TLS.
  t.is(await ask('a.example'), 0);
  configure({ mode: 'redirect', ...files });
  t.deepEqual((await reload(cluster.admin)).changed.toSorted(), ['--tls-certificate', '--tls-key']);
  t.is(await ask('a.example'), 307);
  t.is(await ask('b.example'), 0);
  write(['b.example']);
  t.deepEqual(await reload(cluster.admin), { changed: [], restart: [] });
  t.is(await ask('b.example'), 307);
  writeFileSync(files.tlsKey, 'half of a ke');
  await t.throwsAsync(reload(cluster.admin), { code: 'CERTIFICATE_UNUSABLE' });
  t.is(await ask('b.example'), 307);
  configure({});
  await reload(cluster.admin);
  await cluster.setMode('redirect');
  t.is(await ask('b.example'), 0);
  await cluster.setMode('handoff');
});

test.serial('a file that is changed while it is read again and again is in force in the end', async (t) => {
  const asked = Array.from({ length: 300 }, async (_, i) => {
    // In place, and not at once: a reload may find half of it.
    configure(i % 3 === 0 ? '{"policy":' : { policy: i % 2 === 0 ? 'weighted' : 'path-hash' });
    if (i % 2 === 0) process.kill(cluster.head.pid!, 'SIGHUP');
    else await reload(cluster.admin).catch(() => {});
    t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
  });
  await Promise.all(asked);
  configure({ policy: 'least-connections' });
  process.kill(cluster.head.pid!, 'SIGHUP');
  await cluster.untilStatus('the last is in force', ({ policy }) => policy === 'least-connections');
  configure({});
  await reload(cluster.admin);
  t.regex(await getMetrics(cluster.admin), /baton_connections_accepted_total/);
});

test.serial('a pipe without a reader and a file that is too large end nobody', async (t) => {
  const [d1] = cluster.deliveries;
  for (const pid of [cluster.head.pid!, d1!.pid!])
    for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.kill(pid, signal);
  t.is((await whoAnswers(4)).size, 2);
});

test.serial('a hangup while a head starts, or stops, ends nothing', async (t) => {
  configure({});
  const socket = join(folder, 'own.sock');
  const [program, ...first] = baton;
  const args = ['head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '1', '--config', file];
  const child = execFile(program!, [...first, ...args]);
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr!.on('data', (part) => {
    log += part;
  });
  const status = () => readFileSync(`/proc/${child.pid}/status`, 'utf8');
  // Bit 0 of SigCgt is SIGHUP: the process has come so far that it hears it.
  const hears = () => (Number.parseInt(/SigCgt:\s*[0-9a-f]*([0-9a-f])\n/.exec(status())![1]!, 16) & 1) === 1;
  await until('it hears', hears, (yes) => yes);
  child.kill('SIGHUP');
  await once(child.stdout!, 'data');
  await until(
    'it has read again',
    () => log,
    (text) => text.includes('the configuration was read again'),
  );
  const client = await open(/"listen":"([^"]+)"/.exec(log)![1]!);
  client.write('GET / HTTP/1.1\r\n');
  child.kill('SIGTERM');
  await until(
    'it stops',
    () => log,
    (text) => text.includes('the head stops'),
  );
  child.kill('SIGHUP');
  const ended = once(child, 'exit');
  client.destroy();
  t.deepEqual(await ended, [0, null]);
});
