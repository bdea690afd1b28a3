import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { baton } from '../../../infra/lab/service.ts';
import { connectToAny, takeTurns } from '../../../infra/visits/addresses.ts';
import { Clients } from '../../../infra/visits/clients.ts';
import { addressBytes } from '../../../shared/addresses.ts';
import { createServer as createHttpServer } from '../../../shared/node-http.ts';
import { errnoName } from '../../../shared/sys/libc.ts';
import { asRoot } from '../../support/netns.ts';
import { refusingPort } from '../../support/refusing-port.ts';

const orders: [string[], string[]][] = [
  [['::1'], ['::1']],
  [
    ['::1', '127.0.0.1'],
    ['::1', '127.0.0.1'],
  ],
  [
    ['::1', '::2', '::3', '127.0.0.1', '127.0.0.2'],
    ['::1', '127.0.0.1', '::2', '127.0.0.2', '::3'],
  ],
  [
    ['127.0.0.1', '127.0.0.2', '::1'],
    ['127.0.0.1', '::1', '127.0.0.2'],
  ],
];
for (const [found, tried] of orders) {
  test(`${found.join(' ')} are tried as ${tried.join(' ')}`, (t) => {
    t.deepEqual(takeTurns(found), tried);
  });
}

interface Tried {
  /** Where the connection ended up; undefined when it failed. */
  readonly at: string | undefined;
  readonly failure: string | undefined;
  readonly tookMs: number;
}

/** Tries the addresses at one port. */
async function tryAll(t: ExecutionContext, addresses: readonly string[], port: number): Promise<Tried> {
  const clients = new Clients();
  t.teardown(() => clients.close());
  const begun = performance.now();
  return await new Promise<Tried>((resolve) => {
    const end = (failure: number | undefined, at?: string) =>
      resolve({
        at,
        failure: failure === undefined ? undefined : errnoName(failure),
        tookMs: performance.now() - begun,
      });
    const client = connectToAny(
      clients,
      addresses.map((address) => ({ address: addressBytes(address), port })),
      {
        onConnect: () => {},
        // A server here says its address.
        onBytes(bytes, length) {
          if (typeof client !== 'number') client.close();
          end(undefined, bytes.toString('latin1', 0, length));
        },
        onEnd: () => {},
        onFailure: end,
      },
    );
    if (typeof client === 'number') end(client);
  });
}

/** Says its own address to whoever connects. */
async function sayWhere(t: ExecutionContext, host: string, port = 0): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end(host));
  server.listen(port, host);
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return server;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** An address whose accept queue is full: the kernel drops what comes, as a host that is not there does. */
async function beSilent(t: ExecutionContext, host: string, port: number): Promise<void> {
  const script = `require('net').createServer().listen({host: ${JSON.stringify(host)}, port: ${port}, backlog: 1}, () => {
    require('fs').writeSync(1, 'full\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await once(child.stdout, 'data');
  const waiting: Socket[] = [];
  t.teardown(() => {
    for (const socket of waiting) socket.destroy();
  });
  // Its queue holds one more than it was told.
  for (let i = 0; i < 2; i++) {
    const socket = connect(port, host).on('error', () => {});
    waiting.push(socket);
    await once(socket, 'connect');
  }
}

test('an address that refuses is passed over at once', async (t) => {
  const port = portOf(await sayWhere(t, '127.0.0.1'));
  const { at, tookMs } = await tryAll(
    t,
    [...Array.from({ length: 8 }, (_, i) => `127.0.0.${i + 3}`), '127.0.0.1'],
    port,
  );
  t.is(at, '127.0.0.1');
  t.true(tookMs < 1500, `${tookMs} ms`);
});

test('an address that this machine cannot reach is passed over at once', async (t) => {
  const port = portOf(await sayWhere(t, '127.0.0.1'));
  // A broadcast address: the kernel refuses it in connect(2) itself.
  t.is((await tryAll(t, ['255.255.255.255', '127.0.0.1'], port)).at, '127.0.0.1');
});

test('an address that does not answer has a quarter of a second', async (t) => {
  const port = portOf(await sayWhere(t, '127.0.0.1'));
  await beSilent(t, '127.0.0.2', port);
  const { at, tookMs } = await tryAll(t, ['127.0.0.2', '127.0.0.1'], port);
  t.is(at, '127.0.0.1');
  t.true(tookMs >= 250 && tookMs < 2000, `${tookMs} ms`);
});

test('one that does not answer goes on being tried while another has failed', async (t) => {
  const port = portOf(await sayWhere(t, '127.0.0.1'));
  await beSilent(t, '127.0.0.2', port);
  t.is((await tryAll(t, ['127.0.0.2', '127.0.0.3', '127.0.0.1'], port)).at, '127.0.0.1');
});

test('when all fail, the last failure is told, and not that of a family which is not here', async (t) => {
  const port = refusingPort(t, '127.0.0.1');
  t.is((await tryAll(t, ['127.0.0.3', '127.0.0.1'], port)).failure, 'ECONNREFUSED');
  t.is((await tryAll(t, ['127.0.0.1', '255.255.255.255'], port)).failure, 'ECONNREFUSED');
});

/** `baton visit` where the name two.example has these addresses; the C library puts 127.0.0.1 first, whatever the order. */
async function visitWithHosts(t: ExecutionContext, hosts: readonly string[], url: string) {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const file = join(directory, 'hosts');
  await writeFile(file, hosts.map((address) => `${address} two.example\n`).join(''));
  const script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"';
  const command = [...baton, 'visit', url, '--rate', '50', '--duration', '0.4', '--json', '-'];
  const { stdout } = await execa('unshare', ['--mount', 'sh', '-c', script, 'sh', file, ...command]);
  return JSON.parse(stdout);
}

const withHosts = asRoot();

withHosts('a name whose first address nobody listens at is visited at the next', async (t) => {
  const server = createHttpServer((_, answer) => answer.end('x')).listen(0, '127.0.0.2');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const url = `http://two.example:${(server.address() as AddressInfo).port}/`;
  t.like(await visitWithHosts(t, ['127.0.0.1', '127.0.0.2'], url), { visits: 20, succeeded: 20 });
});

withHosts('so is a name in a Location, and the time that it took is time to connect', async (t) => {
  const server = createHttpServer((request, answer) => {
    if (request.url === '/there') answer.end('x');
    else answer.writeHead(307, { location: `http://two.example:${port}/there` }).end();
  }).listen(0, '127.0.0.2');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  await beSilent(t, '127.0.0.1', port);
  const result = await visitWithHosts(t, ['127.0.0.1', '127.0.0.2'], `http://127.0.0.2:${port}/`);
  t.like(result, { succeeded: 20, redirects: { 307: 20 } });
  t.true(result.phases.connect.min >= 245_000, `${result.phases.connect.min}`);
});
