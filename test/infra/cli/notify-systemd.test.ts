import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';

const main = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));

/** Prints what comes to a datagram socket, once it is there. */
const PLAY_MANAGER = `
import socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
print('bound', flush=True)
print(manager.recv(1000).decode(), end='', flush=True)
`;

test('a head that systemd started tells it when it is ready', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  const path = join(directory, 'notify.sock');
  const manager = execa('python3', ['-c', PLAY_MANAGER, path], { buffer: false, reject: false });
  t.teardown(async () => {
    manager.kill('SIGKILL');
    await manager;
    await rm(directory, { recursive: true });
  });
  await once(manager.stdout, 'data');
  const told = once(manager.stdout, 'data');
  const socket = join(directory, 'head.sock');
  const head = execa(process.execPath, [main, 'head', '--listen', '127.0.0.1:0', '--socket', socket], {
    env: { NOTIFY_SOCKET: path },
    reject: false,
  });
  t.teardown(() => head.kill('SIGKILL'));
  const [message] = (await told) as [Buffer];
  t.is(message.toString(), 'READY=1\n');
  const status = await execa(process.execPath, [main, 'status', '--json', '--socket', socket]);
  t.is(JSON.parse(status.stdout).pid, head.pid);
  head.kill('SIGTERM');
  t.is((await head).exitCode, 0);
});

test('a notify socket that is not there does not keep a head from running', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const args = ['head', '--listen', '127.0.0.1:0', '--socket', join(directory, 'head.sock')];
  const head = execa(process.execPath, [main, ...args], {
    env: { NOTIFY_SOCKET: join(directory, 'nobody.sock') },
    reject: false,
  });
  t.teardown(() => head.kill('SIGKILL'));
  await once(head.stdout, 'data');
  head.kill('SIGTERM');
  const { exitCode, stderr } = await head;
  t.is(exitCode, 0, stderr);
});
