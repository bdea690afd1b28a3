import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { BatonError } from '../../../shared/errors.ts';
import { freeSocketPath } from '../../../shared/sys/unix-path.ts';

const folder = await mkdtemp(join(tmpdir(), 'baton-path-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

const program = fileURLToPath(new URL('listen-at.ts', import.meta.url));

/** Another process that listens at `path`; call the result to kill it, which leaves the socket behind. */
async function occupy(t: ExecutionContext, path: string, type: 'stream' | 'seqpacket') {
  const child = execa(process.execPath, [program, type, path], { reject: false });
  t.teardown(() => void child.kill('SIGKILL'));
  await once(createInterface({ input: child.stdout }), 'line');
  return () => {
    child.kill('SIGKILL');
    return child;
  };
}

async function refusal(path: string): Promise<BatonError> {
  try {
    await freeSocketPath(path, '--socket');
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
  throw new Error(`${path} was given`);
}

test('a free path is given as it is, and its folder is made for its owner alone', async (t) => {
  const path = join(folder, 'new', 'deep', 'head.sock');
  t.false(await freeSocketPath(path, '--socket'));
  t.false(existsSync(path));
  t.is(statSync(join(folder, 'new', 'deep')).mode & 0o777, 0o700);
});

for (const type of ['seqpacket', 'stream'] as const) {
  test(`a ${type} socket that somebody listens on is left alone, and a dead one is removed`, async (t) => {
    const path = join(folder, `${type}.sock`);
    const kill = await occupy(t, path, type);
    t.is(statSync(path).mode & 0o777, 0o600);
    const error = await refusal(path);
    t.is(error.code, 'SOCKET_IN_USE');
    t.deepEqual(error.details, { path, option: '--socket' });
    t.true(existsSync(path));
    await kill();
    t.true(existsSync(path), 'it was left behind');
    t.true(await freeSocketPath(path, '--socket'));
    t.false(existsSync(path));
  });
}

test('what is not a socket is never removed', async (t) => {
  const file = join(folder, 'file');
  writeFileSync(file, 'precious');
  const directory = join(folder, 'directory');
  mkdirSync(directory);
  const link = join(folder, 'link');
  symlinkSync(file, link);
  for (const path of [file, directory, link]) {
    const error = await refusal(path);
    t.is(error.code, 'SOCKET_NOT_A_SOCKET');
    t.is(error.details.path, path);
    t.true(existsSync(path));
  }
});

test('a path is counted in bytes: 107 are possible, 108 are not', async (t) => {
  const most = join(folder, 'é'.repeat(20)).padEnd(107 - 20, 'x');
  t.is(Buffer.byteLength(most), 107);
  t.false(await freeSocketPath(most, '--socket'));
  const error = await refusal(`${most}x`);
  t.is(error.code, 'SOCKET_UNUSABLE');
  t.regex(error.message, /longer than the 107 bytes that Linux allows/);
});

test('a folder that cannot be made is an error that names the path', async (t) => {
  const file = join(folder, 'not-a-folder');
  writeFileSync(file, '');
  const error = await refusal(join(file, 'head.sock'));
  t.is(error.code, 'SOCKET_UNUSABLE');
  t.regex(error.message, /ENOTDIR|EEXIST/);
});

test('a folder of our own may be as it is', async (t) => {
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  t.false(await freeSocketPath(join(open, 'head.sock'), '--socket'));
});
