import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { createServer } from '../../shared/node-http.ts';
import { libc } from '../../shared/sys/libc.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { parseHostPort } from '../../shared/units.ts';
import { startCluster } from '../support/cluster.ts';
import { asRoot } from '../support/netns.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';

const run = promisify(execFile);

const getsockopt = libc.func('int getsockopt(int, int, int, _Out_ int *, _Inout_ uint32_t *)');
/** SO_BUF_LOCK of socket(7): 2 where the receive buffer may not grow; 0 where it may. */
function receiveBufferLock(fd: number): number {
  const lock = [-1];
  getsockopt(fd, 1, 72, lock, [4]);
  return lock[0]!;
}

for (const mode of ['handoff', 'redirect'] as const) {
  test.serial(
    `${mode}: a head of many pieces is whole when its last byte comes, whatever it was cut into`,
    async (t) => {
      const cluster = await startCluster(t, ['--mode', mode], ['d1']);
      const address = cluster.listen;
      const request = `GET /echo?${'q'.repeat(300)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ${'y'.repeat(500)}\r\n\r\n`;
      for (const pieceBytes of [1, 2, 7, 100]) {
        const reply = await send(address, request, { pieceBytes });
        t.is(reply.status, mode === 'handoff' ? 200 : 307, `${pieceBytes}`);
        if (mode === 'redirect') t.true(reply.headers.location!.endsWith(`/echo?${'q'.repeat(300)}`));
      }
      // With time enough between them for each kind of pause.
      const socket = await open(address);
      t.teardown(async () => void socket.destroy());
      for (const piece of [
        'GET / HT',
        'TP/1.1\r\n',
        'H',
        'o',
        's',
        't',
        ': x\r\n',
        'A',
        'b: c\r\n',
        'Connection: close',
        '\r\n',
      ]) {
        socket.write(piece);
        await delay(30);
      }
      const reply = await sendOn(socket, '\r\n');
      t.is(reply.status, mode === 'handoff' ? 200 : 307);
    },
  );
}

test.serial('a socket whose head came in pieces is handed over as it was accepted', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'handoff', '--workers', '1'], []);
  const rogue = await startRogue(cluster.socket);
  const client = await open(cluster.listen);
  t.teardown(async () => void client.destroy());
  for (const piece of ['GET / HT', 'TP/1.1\r\n', 'H', 'o', 's', 't', ': x', '\r\n', 'A: b', '\r\n\r\n']) {
    client.write(piece);
    await delay(20);
  }
  const { fds } = await rogue.offered();
  t.is(receiveBufferLock(fds[0]!), 0);
  fds.forEach(closeFd);
  rogue.die();
});

/** Opens a connection, sends `first`, then `urgent` with MSG_OOB, then the rest after `pause` seconds; prints the answer. */
const urgentClient = `
import socket, sys, time
host, port, first, rest, pause = sys.argv[1:]
c = socket.create_connection((host, int(port)), 10)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c.send(first.encode().decode("unicode_escape").encode())
time.sleep(float(pause))
c.send(b"!", socket.MSG_OOB)
time.sleep(float(pause))
c.send(rest.encode().decode("unicode_escape").encode())
answer = b""
while True:
    part = c.recv(65536)
    if not part: break
    answer += part
sys.stdout.write(answer.decode("latin1"))
`;

test.serial(
  'an urgent byte anywhere in a head is skipped, as a server that accepts for itself skips it',
  async (t) => {
    const cluster = await startCluster(t, ['--mode', 'handoff'], ['d1']);
    const twin = createServer((_request, response) => response.end('twin'));
    twin.listen(0, '127.0.0.1');
    await once(twin, 'listening');
    t.teardown(async () => void twin.close());
    const addresses = [cluster.listen, `127.0.0.1:${(twin.address() as AddressInfo).port}`];
    const head = 'GET / HTTP/1.1\\r\\nHost: x\\r\\nX: yz\\r\\nConnection: close\\r\\n\\r\\n';
    for (const at of [1, 4, 20, 35, head.length - 5]) {
      for (const pause of ['0', '0.15']) {
        const statuses: string[] = [];
        for (const address of addresses) {
          const { host, port } = parseHostPort(address)!;
          const cut = head[at - 1] === '\\' ? at + 1 : at;
          const args = [host, String(port), head.slice(0, cut), head.slice(cut), pause];
          const { stdout } = await run('python3', ['-c', urgentClient, ...args]);
          statuses.push(stdout.split('\r\n')[0]!);
        }
        t.is(statuses[0], statuses[1], `at ${at}, pauses of ${pause} s`);
        t.is(statuses[1], 'HTTP/1.1 200 OK');
      }
    }
  },
);

asRoot([], test.serial)(
  'a head that is larger than a socket holds is handed over as far as it came',
  async (t) => {
    const script = fileURLToPath(new URL('../support/small-buffers.ts', import.meta.url));
    // How what that starts has ended is not known here.
    const env = { ...process.env, BATON_TRACE: '' };
    const { stdout } = await run('unshare', ['-n', process.execPath, script], { env });
    t.is(stdout, '200 200 200 200 200 200');
  },
);
