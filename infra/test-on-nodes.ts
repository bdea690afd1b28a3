/**
 * `npm run test:node`: the tests that depend most on Node.js itself, on the newest release of each supported line but the one
 * that the whole suite runs on. They come from npm as packages, into a folder of their own, once.
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { supportedNodes } from '../shared/supported.ts';

/**
 * What has differed between versions: native callbacks, adopted sockets, servers' undocumented parts, threads, require and
 * types of modules, TLS over streams; and whether a head and a delivery work at all.
 */
const core = [
  'test/shared/sys/readiness.test.ts',
  'test/shared/wire/channel.test.ts',
  'test/delivery/adopt.test.ts',
  'test/delivery/admit.test.ts',
  'test/delivery/connections.test.ts',
  'test/delivery/feed.slow.test.ts',
  'test/delivery/idle.slow.test.ts',
  'test/delivery/lane.test.ts',
  'test/delivery/receive.slow.test.ts',
  'test/delivery/registration.slow.test.ts',
  'test/delivery/secure-server.slow.test.ts',
  'test/delivery/secure-server-files.slow.test.ts',
  'test/delivery/server-life.slow.test.ts',
  'test/delivery/threads.slow.test.ts',
  'test/delivery/tickets.test.ts',
  'test/delivery/tls.test.ts',
  'test/delivery/tls-farewell.slow.test.ts',
  'test/delivery/tls-handshakes.slow.test.ts',
  'test/head/behaviour.slow.test.ts',
  'test/head/hostile-peers.slow.test.ts',
  'test/infra/visits/secure.slow.test.ts',
  'test/infra/visits/secure-failures.slow.test.ts',
  'test/infra/visits/http2.test.ts',
  'test/infra/visits/websocket.test.ts',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'node_modules', '.cache', 'baton-nodes');
const majors = supportedNodes.map((release) => release.split('.')[0]!);
for (const file of core) await access(join(root, file));
const others = majors.filter((major) => major !== process.versions.node.split('.')[0]);

for (const major of others) {
  const home = join(folder, major);
  await mkdir(home, { recursive: true });
  // npm 11 asks for leave before a package's install script runs: this one fetches the program.
  await writeFile(join(home, 'package.json'), '{"private": true, "allowScripts": {"node": true}}');
  await execa({ cwd: home })`npm install --no-audit --no-fund --prefer-offline node@${major}`;
  const program = join(home, 'node_modules', 'node', 'bin', 'node');
  const { stdout: version } = await execa(program, ['--version']);
  process.stdout.write(`\n${version}\n`);
  // A process for each file: some count what their own has open.
  const env = { PATH: `${dirname(program)}:${process.env.PATH}`, BATON_TEST_PROCESSES: '1' };
  const ava = join(root, 'node_modules', 'ava', 'entrypoints', 'cli.js');
  const { exitCode } = await execa(program, [ava, '--concurrency', '4', ...core], {
    cwd: root,
    env,
    stdio: 'inherit',
    reject: false,
  });
  if (exitCode !== 0) process.exitCode = 1;
}
