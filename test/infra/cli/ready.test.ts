/** `baton status --ready`: what keepalived asks each second. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { askReady, readyArguments, watchReady } from '../../../infra/cli/ready.ts';

const main = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function serve(t: ExecutionContext, onSocket: (socket: Socket) => void): Promise<string> {
  const path = join(folderOf(t), 'admin.sock');
  const server = createServer(onSocket).listen(path);
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return path;
}

const answering = (text: string) => (socket: Socket) => void socket.on('data', () => socket.end(text));

test('nobody there, one that stands still, garbage and a flood are all not ready', async (t) => {
  t.like(await askReady(join(folderOf(t), 'none.sock')), { ready: false });
  const still: Socket[] = [];
  const stopped = await serve(t, (socket) => void still.push(socket));
  t.teardown(() => still.map((socket) => socket.destroy()));
  t.deepEqual(await askReady(stopped, 50), { ready: false, why: 'the head does not answer' });
  for (const text of [
    '',
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\n\r\n{"error":{}}',
    'x'.repeat(20_000),
  ])
    t.regex((await askReady(await serve(t, answering(text)))).why, /no head/);
});

test('the exit status and one line say it', async (t) => {
  const ask = async (ready: boolean) => {
    const body = JSON.stringify({ ready, why: 'because' });
    const admin = await serve(t, answering(`HTTP/1.1 ${ready ? 200 : 503} X\r\n\r\n${body}`));
    return await execa(process.execPath, [main, 'status', '--ready', '--admin-socket', admin], {
      reject: false,
    });
  };
  t.like(await ask(true), { exitCode: 0, stdout: 'ready: because' });
  t.like(await ask(false), { exitCode: 1, stdout: 'not ready: because' });
});

const said = (ready: boolean) =>
  `HTTP/1.1 ${ready ? 200 : 503} X\r\n\r\n${JSON.stringify({ ready, why: 'because' })}`;

test('one that is ready is watched for the time, and is gone as soon as nobody listens', async (t) => {
  let asked = 0;
  const path = join(folderOf(t), 'admin.sock');
  const server = createServer((socket) => {
    asked++;
    answering(said(true))(socket);
  }).listen(path);
  await once(server, 'listening');
  const began = performance.now();
  t.like(await watchReady(path, 300), { ready: true });
  t.true(performance.now() - began >= 300);
  const watching = watchReady(path, 3_600_000);
  const before = asked;
  // Again and again.
  while (asked < before + 2) await once(server, 'connection');
  server.close();
  t.regex((await watching).why, /no head answers: connect (ENOENT|ECONNREFUSED)/);
});

test('one that is not ready for a moment, as right after it has taken over, is waited for', async (t) => {
  let asked = 0;
  const path = await serve(t, (socket) => answering(said(++asked > 3))(socket));
  t.like(await watchReady(path, 3_600_000), { ready: true });
  t.is(asked, 4);
  const began = performance.now();
  const never = await serve(t, answering(said(false)));
  t.deepEqual(await watchReady(never, 100), { ready: false, why: 'because' });
  t.true(performance.now() - began >= 1000);
  const still: Socket[] = [];
  const stopped = await serve(t, (socket) => void still.push(socket));
  t.teardown(() => still.map((socket) => socket.destroy()));
  t.deepEqual(await watchReady(stopped, 100), { ready: false, why: 'the head does not answer' });
  t.is(still.length, 1);
});

test('the short way is for the plain question alone', (t) => {
  t.deepEqual(readyArguments(['status', '--ready', '--socket', '/a/head.sock']), {
    admin: '/a/head.admin.sock',
  });
  t.deepEqual(readyArguments(['status', '--admin-socket', '/a/b', '--ready']), { admin: '/a/b' });
  t.deepEqual(readyArguments(['status', '--ready', '--for', '800ms', '--admin-socket', '/a/b']), {
    admin: '/a/b',
    forMs: 800,
  });
  for (const other of [
    ['status'],
    ['head', '--ready'],
    ['status', '--ready', '--json'],
    ['status', '--ready', '--socket'],
    ['status', '--ready', '--for'],
    ['status', '--ready', '--for', 'ever'],
    ['status', '--ready', '--for', '1ms'],
    ['status', '--ready', '--socket', '/a', '--watch'],
    ['status', '--ready', '--on', 'vagrant'],
  ])
    t.is(readyArguments(other), undefined, other.join(' '));
});
