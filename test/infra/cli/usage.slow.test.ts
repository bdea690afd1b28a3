/** Errors of use: one line that says what to do, the right exit code, and nothing lost. */
import { once } from 'node:events';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { baton } from '../../../infra/lab/service.ts';
import { startCluster } from '../../support/cluster.ts';
import { visit } from '../../support/load.ts';
import { spawnBaton } from '../../support/spawn.ts';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-use-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Runs a command that ought to fail at once. */
async function fails(
  t: ExecutionContext,
  exitCode: number,
  message: RegExp,
  args: readonly string[],
): Promise<void> {
  const result = await execa(baton[0]!, [...baton.slice(1), ...args], { reject: false, timeout: 90_000 });
  const errors = result.stderr.split('\n').filter((line) => !line.startsWith('{'));
  t.deepEqual([result.exitCode, errors.length], [exitCode, 1], `${args.join(' ')}: ${result.stderr}`);
  t.regex(errors[0]!, message);
  t.notRegex(result.stderr, /\n\s+at /, 'no stack trace');
  t.is(result.stdout, '');
}

test.serial('wrong usage is one line and exit code 2', async (t) => {
  const directory = await folder(t);
  const config = join(directory, 'config.json');
  writeFileSync(config, '{"headTimeout": "1s", "colour": "red"}');
  const broken = join(directory, 'broken.json');
  writeFileSync(broken, '{');
  const app = join(directory, 'app.mjs');
  writeFileSync(app, 'export default 42;');
  const cases: [RegExp, string[]][] = [
    [/unknown command 'jump'/, ['jump']],
    [/unknown option '--colour'/, ['head', '--colour']],
    [/--mode: .*handoff.*"teleport"/, ['head', '--mode', 'teleport']],
    [/there is no mode "teleport"; the modes are handoff, redirect, created/, ['mode', 'teleport']],
    [/--policy: the policies are round-robin, .*"dice"/, ['head', '--policy', 'dice']],
    [/--workers: .*"0"/, ['head', '--workers', '0']],
    [/--listen: expected HOST:PORT.*"8080x"/, ['head', '--listen', '8080x']],
    [/--head-timeout: expected something like .*"soon"/, ['head', '--head-timeout', 'soon']],
    [
      /config\.json: there is no setting called "colour"; the settings are listen, /,
      ['head', '--config', config],
    ],
    [/broken\.json: /, ['head', '--config', broken]],
    [/nowhere\.json: it does not exist/, ['head', '--config', join(directory, 'nowhere.json')]],
    [/--name: a name has 1 to 64/, ['delivery', '--name', 'a b']],
    [/--advertise: needed when --direct is 0\.0\.0\.0:\d+/, ['delivery', '--direct', ':0']],
    ...['[0::0]:80', '127.1:80'].map((address): [RegExp, string[]] => [
      /--advertise: expected HOST:PORT that clients can connect to/,
      ['delivery', '--advertise', address],
    ]),
    [/nowhere\.mjs cannot be used as an application/, ['delivery', '--app', join(directory, 'nowhere.mjs')]],
    [/its default export is not a function/, ['delivery', '--app', app]],
  ];
  for (const [message, args] of cases) await fails(t, 2, message, args);
});

test.serial(
  'what is not available is one line and exit code 1, and what is in the way is left alone',
  async (t) => {
    const directory = await folder(t);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.teardown(() => taken.close());
    const { port } = taken.address() as { port: number };
    const file = join(directory, 'file');
    writeFileSync(file, 'precious');
    const socket = ['--socket', join(directory, 'head.sock')];
    const cluster = await startCluster(t, [], []);
    const cases: [RegExp, string[]][] = [
      [/127\.0\.0\.1:\d+ is already taken/, ['head', '--listen', `127.0.0.1:${port}`, ...socket]],
      [/is already taken/, ['head', '--listen', cluster.listen, ...socket]],
      [/192\.0\.2\.1:80 is not an address of this machine/, ['head', '--listen', '192.0.2.1:80', ...socket]],
      [
        /another process is listening on .*head\.sock/,
        ['head', '--listen', '127.0.0.1:0', '--socket', cluster.socket],
      ],
      [/file exists and is not a socket/, ['head', '--listen', '127.0.0.1:0', '--socket', file]],
      [
        /longer than the 107 bytes/,
        ['head', '--listen', '127.0.0.1:0', '--socket', join(directory, 'x'.repeat(120))],
      ],
      [
        /^baton: .*\/file is a file and no socket for deliveries; name the head's with --head$/,
        ['delivery', '--head', file],
      ],
      [/\.admin\.sock is a socket of another type/, ['delivery', '--head', cluster.admin]],
      [
        /^baton: cannot use the socket path .*107 bytes.*--head$/,
        ['delivery', '--head', join('/', 'x'.repeat(107))],
      ],
      [/already taken/, ['delivery', '--direct', `127.0.0.1:${port}`, '--head', cluster.socket]],
      [/no head answers at .*nowhere\.admin\.sock/, ['status', '--socket', join(directory, 'nowhere.sock')]],
      [/no head answers at/, ['mode', 'redirect', '--socket', join(directory, 'nowhere.sock')]],
      [
        /no delivery called "d9" is registered; registered: none/,
        ['drain', 'd9', '--socket', cluster.socket],
      ],
    ];
    for (const [message, args] of cases) await fails(t, 1, message, args);
    t.true(existsSync(file));
    t.false(existsSync(join(directory, 'head.sock')), 'a head that could not start leaves no socket behind');
    await cluster.addDelivery('d1');
    t.is((await visit(cluster.listen, '/bytes/1')).status, 200, 'the running head did not notice');
  },
);

test.serial(
  'a delivery whose name is taken says so once, waits, and comes in when the other has left',
  async (t) => {
    const cluster = await startCluster(t, [], ['d1']);
    const args = ['delivery', '--name', 'd1', '--head', cluster.socket];
    const second = execa(baton[0]!, [...baton.slice(1), ...args], { reject: false });
    t.teardown(async () => {
      second.kill('SIGKILL');
      await second;
    });
    const said = createInterface({ input: second.stderr })[Symbol.asyncIterator]();
    t.regex(
      String((await said.next()).value),
      /waiting for a head: .*"d1\\" \(pid \d+\) is already registered/,
    );
    await cluster.deliveries[0]!.stop();
    t.regex(String((await said.next()).value), /registered with the head/);
    t.is((await visit(cluster.listen, '/bytes/1')).status, 200);
    const { deliveries } = await cluster.status();
    t.deepEqual(
      deliveries.map(({ name, pid, state }) => [name, pid, state]),
      [['d1', second.pid, 'up']],
    );
  },
);

(process.getuid!() === 0 ? test.serial : test.serial.skip)(
  'a delivery of another user is told whose head it is, and what to do',
  async (t) => {
    const directory = await folder(t);
    const socket = join(directory, 'head.sock');
    await spawnBaton(t, 'head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '1');
    for (const [folderMode, socketMode] of [
      [0o700, 0o600],
      [0o755, 0o600],
    ] as const) {
      chmodSync(directory, folderMode);
      chmodSync(socket, socketMode);
      const { stderr, exitCode } = await execa(baton[0]!, [...baton.slice(1), 'delivery', '--head', socket], {
        reject: false,
        uid: 65_534,
        // It may not write into the test's folder.
        env: { BATON_TRACE: '' },
        timeout: 90_000,
      });
      t.deepEqual([exitCode, stderr.split('\n').length], [1, 1], stderr);
      t.regex(stderr, /^baton: .*(user 0, and this delivery of user 65534; run it as)/);
    }
  },
);

test.serial('a limit on open files that is too low is said at the start', async (t) => {
  const directory = await folder(t);
  const run = (limit: number, ...args: string[]) =>
    execa('sh', ['-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...baton, ...args], {
      reject: false,
      timeout: 90_000,
    });
  const head = await run(128, 'head', '--listen', '127.0.0.1:0', '--socket', join(directory, 'h.sock'));
  t.is(head.exitCode, 1, head.shortMessage);
  t.regex(
    head.stderr,
    /^baton: the limit on open files is 128, and \d+ are needed; raise it \(ulimit -n \d+\)/,
  );
  const delivery = await run(256, 'delivery', '--credits', '5000', '--head', join(directory, 'h.sock'));
  t.is(delivery.exitCode, 1, delivery.shortMessage);
  t.regex(delivery.stderr, /the limit on open files is 256, and 5128 are needed; .* or lower --credits/);
});

test.serial('what a socket path can not be is one line that says what to do', async (t) => {
  const directory = await folder(t);
  const cases: [string, RegExp][] = [
    [
      '/proc/head.sock',
      /^baton: cannot use the socket path \/proc\/head\.sock: .*; choose another with --socket$/,
    ],
    [join(directory, 'x'.repeat(108)), /longer than the 107 bytes .*; choose another with --socket$/],
    [join(directory, 'no', 'such', 'h.sock'), /does not exist \(ENOENT\); choose another with --socket$/],
  ];
  for (const [path, message] of cases)
    await fails(t, 1, message, ['head', '--listen', '127.0.0.1:0', '--socket', path]);
  const path = join(directory, 'h.sock');
  const head = ['head', '--listen', '127.0.0.1:0', '--socket', path];
  await fails(t, 2, /^baton: --admin-socket: give another path than/, [...head, '--admin-socket', path]);
  await fails(t, 2, /^baton: --group: there is no such group/, [...head, '--group', 'nobody-of-that-name']);
  await fails(t, 2, /^baton: --max-connections: at least one for each of the 32 workers/, [
    ...head,
    ...['--workers', '32', '--max-connections', '10'],
  ]);
});

test.serial('a socket that a dead head left is replaced; sockets are private', async (t) => {
  const cluster = await startCluster(t, [], ['d1']);
  process.kill(cluster.head.pid, 'SIGKILL');
  await cluster.head.stop();
  t.true(existsSync(cluster.socket) && existsSync(cluster.admin), 'they are left behind');
  await cluster.restartHead();
  await cluster.untilStatus('d1 is back', ({ deliveries }) => deliveries[0]?.state === 'up');
  for (const path of [cluster.socket, cluster.admin]) t.is(statSync(path).mode & 0o777, 0o600, path);
  await cluster.head.stop();
  t.false(existsSync(cluster.socket) || existsSync(cluster.admin), 'a head that stops takes them away');
});
