import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
while True:
    data, fds, flags, sender = socket.recv_fds(manager, 1000, 8)
    print(data.decode().replace('\\n', ' '), len(fds), flush=True)
`;

test('what a head tells systemd: its sockets, when it is ready, reloads and stops', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  const path = join(directory, 'notify.sock');
  const manager = execa('python3', ['-c', PLAY_MANAGER, path], { buffer: false, reject: false });
  t.teardown(async () => {
    manager.kill('SIGKILL');
    await manager;
    await rm(directory, { recursive: true });
  });
  const lines = createInterface({ input: manager.stdout })[Symbol.asyncIterator]();
  // That it turns it says in between, each second.
  const next = async (): Promise<string> => {
    const { value } = (await lines.next()) as { value: string };
    return value === 'WATCHDOG=1  0' ? next() : value;
  };
  t.is(await next(), 'bound');
  const socket = join(directory, 'head.sock');
  const config = join(directory, 'head.json');
  await writeFile(config, '{}');
  const args = ['--listen', '127.0.0.1:0', '--socket', socket, '--workers', '2', '--config', config];
  const head = execa(process.execPath, [main, 'head', ...args], {
    env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '60000000' },
    reject: false,
  });
  t.teardown(() => head.kill('SIGKILL'));
  for (const name of ['worker-0', 'worker-1', 'deliveries-0', 'admin-0'])
    t.is(await next(), `FDSTORE=1 FDNAME=kept-${name} FDPOLL=0  1`);
  t.is(await next(), 'READY=1  0');
  const status = await execa(process.execPath, [main, 'status', '--json', '--socket', socket]);
  t.is(JSON.parse(status.stdout).pid, head.pid);
  head.kill('SIGHUP');
  t.regex(await next(), /^RELOADING=1 MONOTONIC_USEC=\d{6,} {2}0$/);
  t.is(await next(), 'READY=1  0');
  // A socket file that was deleted is made again, and the one that nobody finds any more is not kept.
  await rm(socket);
  t.is(await next(), 'FDSTOREREMOVE=1 FDNAME=kept-deliveries-0  0');
  t.is(await next(), 'FDSTORE=1 FDNAME=kept-deliveries-0 FDPOLL=0  1');
  head.kill('SIGTERM');
  t.is(await next(), 'STOPPING=1  0');
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
