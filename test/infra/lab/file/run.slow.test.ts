/** `baton lab run FILE` and `baton lab up --file FILE`, as a person calls them. */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { getStatus } from '../../../../infra/admin-client.ts';

const project = fileURLToPath(new URL('../../../../', import.meta.url));
const main = `${project}infra/cli/main.ts`;
const baton = (...args: string[]) => execa(process.execPath, [main, ...args], { reject: false });

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** One that has ended and that its parent has not asked about (proc(5): Z) is gone. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

const eventful = `
head: { policy: round-robin }
deliveries: [{ name: shop, weight: 2 }, { name: images }]
timetable:
  at 100ms: [drain images, mode redirect, policy least-connections]
  at 4s: [freeze shop, continue shop, stop images, start images]
  at 4100ms: upgrade head
  at 4200ms: [kill head, start head]
`;

test('a lab of a file does what its timetable says, and leaves nothing when it is told to stop', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'eventful.yaml');
  await writeFile(file, eventful);
  const child = execa(process.execPath, [main, 'lab', 'up', '--file', file], {
    reject: false,
    env: { TMPDIR: directory },
  });
  t.teardown(async () => {
    child.kill('SIGTERM');
    await child;
  });
  const said: string[] = [];
  let admin = '';
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    admin = /--admin-socket (\S+)/.exec(line)?.[1] ?? admin;
    if (line.endsWith('policy least-connections')) {
      const status = await getStatus(admin);
      t.is(status.mode, 'redirect');
      t.is(status.policy, 'least-connections');
      t.is(status.deliveries.find(({ name }) => name === 'images')!.state, 'draining');
      t.is(status.deliveries.find(({ name }) => name === 'shop')!.weight, 2);
    }
    if (line.endsWith('start head')) break;
  }
  t.false(
    said.some((line) => line.includes('could not be done')),
    said.join('\n'),
  );
  const { pid } = await getStatus(admin);
  child.kill('SIGINT');
  const { exitCode, stderr } = await child;
  t.is(exitCode, 0, stderr);
  t.deepEqual(await readdir(directory), ['eventful.yaml']);
  t.false(isAlive(pid));
});

test('a lab that is told to stop while its head is another process by then leaves none of the two', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'upgraded.yaml');
  await writeFile(file, 'deliveries: [{ name: d1 }]\ntimetable: { at 0: upgrade head }\n');
  const child = execa(process.execPath, [main, 'lab', 'up', '--file', file], {
    reject: false,
    env: { TMPDIR: directory },
  });
  t.teardown(async () => {
    child.kill('SIGTERM');
    await child;
  });
  let admin = '';
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    admin = /--admin-socket (\S+)/.exec(line)?.[1] ?? admin;
    if (line.endsWith('upgrade head')) break;
  }
  const { pid } = await getStatus(admin);
  child.kill('SIGTERM');
  await child;
  t.false(isAlive(pid));
});

test('what is wrong with a file is one line with its place, and nothing is started', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'wrong.yaml');
  await writeFile(file, 'deliveries:\n  - name: d1\ntimetable:\n  at 1s: kill d2\n');
  for (const args of [
    ['lab', 'run', file],
    ['lab', 'up', '--file', file],
  ]) {
    const { exitCode, stdout, stderr } = await baton(...args);
    t.is(exitCode, 2);
    t.is(stdout, '');
    t.is(stderr, `baton: ${file}:4:10: "kill d2": there is no "d2" here; did you mean d1?`);
  }
  const both = await baton('lab', 'up', '--file', file, '--deliveries', '3');
  t.regex(both.stderr, /leave out --heads, --deliveries and --rtt/);
  await writeFile(file, 'name: modes\ndeliveries:\n  - name: d1\n');
  t.regex((await baton('lab', 'run', file)).stderr, /write another name/);
});
