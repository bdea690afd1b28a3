import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { EAGAIN } from '../../../shared/sys/libc.ts';
import { allocate } from '../../../shared/sys/memory.ts';
import { watchReadable } from '../../../shared/sys/readiness.ts';
import { closeFd, receive, setSendBuffer, write } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';

const memory = allocate(4096);

/** Calls, each of which can be waited for. */
function bell() {
  const target = new EventTarget();
  return {
    ring: () => target.dispatchEvent(new Event('ring')),
    next: () => once(target, 'ring', { signal: AbortSignal.timeout(5000) }),
  };
}

test('input is announced, again for as long as it is not read, and not once it is', async (t) => {
  const [left, right] = seqpacketPair();
  const { ring, next } = bell();
  let calls = 0;
  const readiness = watchReadable(right, () => {
    calls++;
    ring();
  });
  t.teardown(() => readiness.close());
  write(left, memory, 0, 5);
  await next();
  await next();
  t.is(receive(right, memory, 0, 64), 5);
  t.is(receive(right, memory, 0, 64), EAGAIN);
  // What was scheduled before it was read may still come.
  await turn();
  await turn();
  const before = calls;
  for (let i = 0; i < 20; i++) await turn();
  t.is(calls, before);
  closeFd(left);
  await next();
  t.is(receive(right, memory, 0, 64), 0, 'the end of the peer is announced as well');
  readiness.close();
  closeFd(right);
});

test('room to write is announced only while it is asked for', async (t) => {
  const [left, right] = seqpacketPair();
  const { ring, next } = bell();
  let calls = 0;
  const readiness = watchReadable(left, () => {
    calls++;
    ring();
  });
  t.teardown(() => readiness.close());
  setSendBuffer(left, 4096);
  while (write(left, memory, 0, 1024) !== EAGAIN);
  readiness.watchWritable(true);
  for (let i = 0; i < 10; i++) await turn();
  t.is(calls, 0, 'there is no room yet');
  while (receive(right, memory, 0, 4096) > 0);
  await next();
  readiness.watchWritable(false);
  await turn();
  await turn();
  const before = calls;
  for (let i = 0; i < 20; i++) await turn();
  t.is(calls, before);
  write(right, memory, 0, 1);
  await next();
  readiness.close();
  for (const fd of [left, right]) closeFd(fd);
});

test('after close nothing is announced, and the fd is still the caller’s', async (t) => {
  const [left, right] = seqpacketPair();
  const readiness = watchReadable(right, () => t.fail('it was closed'));
  write(left, memory, 0, 3);
  readiness.close();
  readiness.close();
  readiness.watchWritable(true);
  for (let i = 0; i < 20; i++) await turn();
  t.is(receive(right, memory, 0, 64), 3);
  for (const fd of [left, right]) closeFd(fd);
});

test('what was about to be announced when it was closed is not', async (t) => {
  const [left, right] = seqpacketPair();
  const readiness = watchReadable(right, () => t.fail('it was closed'));
  await turn();
  write(left, memory, 0, 1);
  // The loop looks for input first and comes to this after it.
  setImmediate(() => readiness.close());
  for (let i = 0; i < 20; i++) await turn();
  t.is(receive(right, memory, 0, 64), 1);
  for (const fd of [left, right]) closeFd(fd);
});

const program = fileURLToPath(new URL('await-input.ts', import.meta.url));

test('it keeps a process alive, whatever garbage is collected, and no longer than until it is closed', async (t) => {
  const run = (...args: string[]) =>
    execa(process.execPath, ['--expose-gc', program, ...args], { timeout: 10_000 });
  t.is((await run()).stdout, 'began, heard');
  t.is((await run('close')).stdout, 'began');
  t.is((await run('unref')).stdout, 'began');
  // Input that comes when the process is ending anyway has nobody to be announced to.
  t.is((await run('unref', 'late')).stdout, 'began');
});

test('what can not be watched is an error, not the end of the process', (t) => {
  const file = openSync(process.execPath, 'r');
  t.throws(() => watchReadable(file, () => {}), { code: 'EPERM' });
  closeSync(file);
  t.throws(() => watchReadable(file, () => {}), { code: 'EBADF' });
});

test('what can be watched may be watched twice', (t) => {
  const [a, b] = seqpacketPair();
  const first = watchReadable(a, () => {});
  first.close();
  t.notThrows(() => watchReadable(a, () => {}).close());
  closeFd(a);
  closeFd(b);
});
