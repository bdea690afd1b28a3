import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { EAGAIN, EPIPE } from '../../../shared/sys/libc.ts';
import { createFdMessenger, MAX_FDS } from '../../../shared/sys/pass-fds.ts';
import { bindReuseport } from '../../../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listen } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';

const isCloseOnExec = (fd: number): boolean => {
  const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!;
  return (Number.parseInt(flags, 8) & 0o2000000) !== 0;
};

test('a connection that is passed works after the sender has closed its copy', async (t) => {
  const { fds, bound } = await bindReuseport({ host: '127.0.0.1', port: 0 }, 1);
  listen(fds[0]!, 8);
  const client = connect(bound.port, bound.host);
  await once(client, 'connect');
  const accepted = acceptNonBlocking(fds[0]!);
  const [left, right] = seqpacketPair();
  const messenger = createFdMessenger(16);

  messenger.fds[0] = accepted;
  messenger.bytes.write('hand it over');
  t.is(messenger.send(left, 12, 1), 12);
  closeFd(accepted);
  messenger.bytes.fill(0);
  t.is(messenger.receive(right), 12);
  t.is(messenger.bytes.toString('latin1', 0, 12), 'hand it over');
  t.is(messenger.received, 1);
  t.false(messenger.truncated);
  t.true(isCloseOnExec(messenger.fds[0]!));

  const served = new Socket({ fd: messenger.fds[0]! });
  client.write('ping');
  t.is(String((await once(served, 'data'))[0]), 'ping');
  served.end('pong');
  t.is(String((await once(client, 'data'))[0]), 'pong');
  client.destroy();
  for (const fd of [left, right, fds[0]!]) closeFd(fd);
});

test('as many fds as the kernel lets one message carry arrive in order', (t) => {
  const [left, right] = seqpacketPair();
  const messenger = createFdMessenger(16);
  const files = ['/dev/null', '/dev/zero'].map((path) => openSync(path, 'r'));
  for (let i = 0; i < MAX_FDS; i++) messenger.fds[i] = files[i % 2]!;
  t.is(messenger.send(left, 1, MAX_FDS), 1);
  t.is(messenger.receive(right), 1);
  t.is(messenger.received, MAX_FDS);
  t.false(messenger.truncated);
  const inode = (fd: number) => /ino:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1];
  t.not(inode(files[0]!), inode(files[1]!));
  for (let i = 0; i < MAX_FDS; i++) t.is(inode(messenger.fds[i]!), inode(files[i % 2]!));
  for (const fd of messenger.fds) closeFd(fd);
  messenger.fds.fill(files[0]!);
  // Linux refuses a longer one with EINVAL, and nothing leaves.
  t.true(messenger.send(left, 1, MAX_FDS + 1) < 0);
  t.is(messenger.receive(right), EAGAIN);
  files.forEach(closeSync);
  for (const fd of [left, right]) closeFd(fd);
});

test('a message without fds reports none, whatever came before', (t) => {
  const [left, right] = seqpacketPair();
  const messenger = createFdMessenger(16);
  t.is(messenger.receive(right), EAGAIN);
  messenger.fds[0] = left;
  messenger.send(left, 1, 1);
  messenger.send(left, 2, 0);
  t.is(messenger.receive(right), 1);
  t.is(messenger.received, 1);
  closeFd(messenger.fds[0]!);
  t.is(messenger.receive(right), 2);
  t.is(messenger.received, 0);
  closeFd(left);
  t.is(messenger.receive(right), 0, 'the peer has closed');
  t.is(messenger.send(right, 1, 0), EPIPE);
  closeFd(right);
});

test('fds that this process may not open are dropped by the kernel and that is reported', async (t) => {
  const program = fileURLToPath(new URL('receive-at-limit.ts', import.meta.url));
  const script = 'ulimit -n 80; exec "$0" "$@"';
  const { stdout } = await execa('sh', ['-c', script, process.execPath, program]);
  t.deepEqual(JSON.parse(stdout), { length: 3, received: 2, truncated: true });
});
