import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { BatonError } from '../../../shared/errors.ts';
import type { SystemError } from '../../../shared/sys/libc.ts';
import { closeFd } from '../../../shared/sys/sockets.ts';
import { listenAt, type SocketFile } from '../../../shared/sys/unix-path.ts';
import { connectUnix } from '../../../shared/sys/unix-sockets.ts';
import { until } from '../../support/until.ts';

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

const listen = (path: string, group?: number): Promise<SocketFile> =>
  listenAt({ path, type: 'seqpacket', backlog: 4, option: '--socket', group });

function giveBack(file: SocketFile): void {
  file.remove();
  closeFd(file.fd);
}

function isDead(path: string): boolean {
  try {
    closeFd(connectUnix(path, 'seqpacket'));
    return false;
  } catch (error) {
    return (error as SystemError).code === 'ECONNREFUSED';
  }
}

async function refusal(path: string): Promise<BatonError> {
  try {
    giveBack(await listen(path));
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
  throw new Error(`${path} was given`);
}

test('a free path is taken, for its owner alone, and so is its folder when it has to be made', async (t) => {
  const path = join(folder, 'new', 'head.sock');
  const file = await listen(path);
  t.false(file.replaced);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(statSync(join(folder, 'new')).mode & 0o777, 0o700);
  closeFd(connectUnix(path, 'seqpacket'));
  giveBack(file);
  t.false(existsSync(path));
});

test('a path with several folders that are missing is a slip of the pen', async (t) => {
  const error = await refusal(join(folder, 'nwe', 'deep', 'head.sock'));
  t.is(error.code, 'SOCKET_UNUSABLE');
  t.regex(
    error.message,
    /the folder .*nwe or .*deep does not exist \(ENOENT\); choose another with --socket$/,
  );
  t.false(existsSync(join(folder, 'nwe')));
});

test('members of a group may connect where somebody wished it, and enter the folder that was made for it', async (t) => {
  const group = process.getgid!();
  const path = join(folder, 'shared', 'head.sock');
  const file = await listen(path, group);
  t.is(statSync(path).mode & 0o777, 0o660);
  t.is(statSync(join(folder, 'shared')).mode & 0o777, 0o710);
  t.deepEqual([statSync(path).gid, statSync(join(folder, 'shared')).gid], [group, group]);
  giveBack(file);
});

test('what a successor has put in the place of a socket is not removed with it', async (t) => {
  const path = join(folder, 'succession.sock');
  const old = await listen(path);
  t.true(old.isThere());
  rmSync(path);
  t.false(old.isThere());
  const successor = await listen(path);
  t.false(old.isThere());
  giveBack(old);
  t.true(successor.isThere());
  closeFd(connectUnix(path, 'seqpacket'));
  giveBack(successor);
});

test('of many that want a path at the same moment, over a dead socket, one gets it', async (t) => {
  const path = join(folder, 'race.sock');
  for (let round = 0; round < 20; round++) {
    const dead = await listen(path);
    closeFd(dead.fd);
    // A child that another test starts right now holds a copy of it until it runs its own program.
    await until('it is dead', () => isDead(path), Boolean);
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => listen(path)));
    const got = answers.filter((answer) => answer.status === 'fulfilled');
    t.is(got.length, 1);
    for (const answer of answers) if (answer.status === 'rejected') t.is(answer.reason.code, 'SOCKET_IN_USE');
    t.true(got[0]!.value.isThere());
    giveBack(got[0]!.value);
  }
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
    const file = await listen(path);
    t.true(file.replaced);
    giveBack(file);
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
  giveBack(await listen(most));
  const error = await refusal(`${most}x`);
  t.is(error.code, 'SOCKET_UNUSABLE');
  t.regex(error.message, /longer than the 107 bytes that Linux allows/);
});

test('a folder that cannot be made is an error that names the path', async (t) => {
  const file = join(folder, 'not-a-folder');
  writeFileSync(file, '');
  const error = await refusal(join(file, 'head.sock'));
  t.is(error.code, 'SOCKET_UNUSABLE');
  t.regex(error.message, /not-a-folder is not a folder \(ENOTDIR\)/);
});

test('a folder of our own may be as it is', async (t) => {
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  giveBack(await listen(join(open, 'head.sock')));
  t.is(statSync(open).mode & 0o777, 0o777);
});
