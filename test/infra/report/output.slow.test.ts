import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { baton } from '../../../infra/lab/service.ts';
import { needRoomAt, writeWhole } from '../../../infra/report/output.ts';
import { asRoot } from '../../support/netns.ts';

async function temporary(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

test('room is looked for without a trace, and what a file has stays', async (t) => {
  const directory = await temporary(t);
  const file = join(directory, 'there.json');
  await writeFile(file, 'old');
  await needRoomAt(file, 10_000);
  await needRoomAt(join(directory, 'new.json'), 10_000);
  t.deepEqual(await readdir(directory), ['there.json']);
  t.is(await readFile(file, 'utf8'), 'old');
  await needRoomAt('/dev/null', 10_000);
});

test('what cannot be written is found', async (t) => {
  const directory = await temporary(t);
  await writeFile(join(directory, 'file'), '');
  await t.throwsAsync(needRoomAt(directory, 1), { code: 'EISDIR' });
  await t.throwsAsync(needRoomAt(join(directory, 'missing', 'a.json'), 1), { code: 'ENOENT' });
  await t.throwsAsync(needRoomAt(join(directory, 'file', 'a.json'), 1), { code: 'ENOTDIR' });
  await t.throwsAsync(writeWhole(join(directory, 'file', 'a.json'), ''), { code: 'ENOTDIR' });
});

if (process.getuid!() !== 0) {
  test('a folder without permission is found', async (t) => {
    const directory = join(await temporary(t), 'closed');
    await mkdir(directory);
    await chmod(directory, 0o500);
    await t.throwsAsync(needRoomAt(join(directory, 'a.json'), 1), { code: 'EACCES' });
  });
}

/** Nobody listens there: a visit would fail with 1, and what comes before is told with 2. */
const nowhere = 'http://127.0.0.1:1/';

for (const [args, told] of [
  [['visit', nowhere, '--json', '/proc/nothing/a.json'], /cannot write \/proc\/nothing\/a\.json.*--json/],
  [['visit', nowhere, '--hgrm', '/proc'], /cannot write \/proc.*--hgrm/],
  [['lab', 'session', '--out', '/dev/null/reports'], /cannot write reports in \/dev\/null\/reports.*--out/],
  [['lab', 'all', '--out', '/proc/reports'], /cannot write reports in \/proc\/reports.*--out/],
] as const) {
  test(`baton ${args.join(' ')} says so before it begins`, async (t) => {
    const { exitCode, stdout, stderr } = await execa(baton[0]!, [...baton.slice(1), ...args], {
      reject: false,
    });
    t.is(exitCode, args[0] === 'lab' ? 1 : 2);
    t.is(stdout, '');
    t.regex(stderr, told);
    t.is(stderr.trim().split('\n').length, 1, stderr);
  });
}

asRoot()('a full disk is found before the work, and nothing is left there', async (t) => {
  const directory = await temporary(t);
  const script = `mount -t tmpfs -o size=64k tmpfs "$0" && cd "$0" && "$@"
    echo "exit $?, left: $(ls -A)"`;
  const run = async (...args: string[]) =>
    await execa('unshare', ['--mount', 'sh', '-c', script, directory, ...baton, ...args], { all: true });
  const visit = await run('visit', nowhere, '--json', 'result.json');
  t.regex(visit.all, /^baton: cannot write result\.json: ENOSPC.*\nexit 2, left: $/s);
  const lab = await run('lab', 'session', '--quick', '--out', '.');
  t.regex(lab.all, /^baton: cannot write reports in \. \(ENOSPC.*\nexit 1, left: $/s);
});
