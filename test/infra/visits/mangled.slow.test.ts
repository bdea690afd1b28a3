/** What is between a visit and its server cuts, resets, changes, doubles, delays and loses: no visit may end the run. */
import type { RequestListener } from 'node:http';
import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { connect, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { WebSocketServer } from 'ws';
import { type Random, seededRandom } from '../../../infra/statistics/random.ts';
import { createServer as createHttpServer } from '../../../shared/node-http.ts';
import { createAuthority } from '../../support/authority.ts';
import { needing } from '../../support/needs.ts';
import { listen, serveTcp } from '../../support/tls-servers.ts';

const authority = createAuthority();
const pair = authority.issue(['localhost']);
test.after.always(() => authority.remove());
const program = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));

const app: RequestListener = (_, answer) => answer.end('x'.repeat(1000));

function echoing<T extends ReturnType<typeof createHttpServer>>(server: T): T {
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (bytes, binary) => socket.send(bytes, { binary }));
  });
  return server;
}

/** Each of these is done to a few in a hundred of the pieces that come. */
const harms: readonly ((bytes: Buffer, from: Socket, to: Socket, random: Random) => void)[] = [
  (_, from) => from.resetAndDestroy(),
  (bytes, _, to, random) => to.end(bytes.subarray(0, Math.floor(random() * bytes.length))),
  (bytes, _, to, random) => {
    bytes[Math.floor(random() * bytes.length)]! ^= 1 + Math.floor(random() * 255);
    to.write(bytes);
  },
  (bytes, _, to) => {
    to.write(bytes);
    to.write(bytes);
  },
  (bytes, _, to, random) => void setTimeout(() => to.destroyed || to.write(bytes), random() * 50),
  () => {},
];

/** Before the server at `port`. */
function serveMangled(t: ExecutionContext, port: number, random: Random): Promise<number> {
  const pass = (from: Socket, to: Socket) =>
    from.on('data', (bytes) => {
      const harm = harms[Math.floor(random() * 40)];
      if (harm) harm(bytes, from, to, random);
      else to.write(bytes);
    });
  return serveTcp(t, (client) => {
    const server = connect(port, '127.0.0.1');
    server.on('error', () => client.destroy());
    server.on('close', () => client.end());
    client.on('close', () => server.destroy());
    pass(client, server);
    pass(server, client);
  });
}

const kinds: [string, string, () => Server, (readonly string[])?][] = [
  ['https', 'TLS', () => createHttpsServer(pair, app)],
  ['https', 'TLS 1.2', () => createHttpsServer(pair, app), ['--tls', '1.2']],
  [
    'https',
    'HTTP/2 over TLS',
    () => createSecureServer(pair, app as never) as unknown as Server,
    ['--http2', '--requests-per-visit', '4'],
  ],
  [
    'http',
    'HTTP/2',
    () => createHttp2Server(app as never) as unknown as Server,
    ['--http2', '--requests-per-visit', '4'],
  ],
  ['ws', 'WebSocket', () => echoing(createHttpServer(app)), ['--messages', '5']],
  ['wss', 'WebSocket over TLS', () => echoing(createHttpsServer(pair, app)), ['--messages', '5']],
];
for (const [index, [scheme, name, create, options = []]] of kinds.entries()) {
  // In a process of their own, which is seen to end: Node has been seen to wait for ever where a thread ended after these.
  needing('openssl', test.serial)(`visits by ${name} survive whatever happens on the way`, async (t) => {
    const port = await serveMangled(t, await listen(t, create()), seededRandom(index + 1));
    const secure = scheme.endsWith('s') ? ['--ca', authority.file, '--resume'] : [];
    const args = ['--rate', '100', '--duration', '2', '--timeout', '5', '--json', '-', ...secure, ...options];
    const { stdout, stderr, exitCode } = await execa(
      process.execPath,
      [program, 'visit', `${scheme}://localhost:${port}/`, ...args],
      { reject: false },
    );
    t.is(exitCode, 0, `${stderr}`);
    const result = JSON.parse(stdout);
    t.log(result.succeeded, result.failures);
    t.is(result.visits, 200);
    t.true(result.succeeded > 0 && result.failed > 0);
  });
}
