import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { adminPathFor } from '../../shared/paths.ts';

const module = new URL('../../shared/paths.ts', import.meta.url).href;
const script = `import { defaultSocketPath } from ${JSON.stringify(module)};
console.log(defaultSocketPath());`;

/** Where this user's sockets are, in an environment. */
async function pathIn(env: Record<string, string>): Promise<string> {
  const options = { env: { PATH: process.env.PATH, ...env }, extendEnv: false };
  const { stdout } = await execa(
    process.execPath,
    ['--input-type=module-typescript', '--eval', script],
    options,
  );
  return stdout;
}

test('root’s sockets are in /run, a user’s in their runtime directory, else in a folder of theirs', async (t) => {
  const uid = process.getuid!();
  const expected =
    uid === 0
      ? ['/run/baton', '/run/baton', '/run/baton']
      : ['/run/user/7/baton', `/tmp/baton-${uid}`, `/var/tmp/baton-${uid}`];
  const environments = [{ XDG_RUNTIME_DIR: '/run/user/7' }, {}, { TMPDIR: '/var/tmp' }];
  t.deepEqual(
    await Promise.all(environments.map(pathIn)),
    expected.map((folder) => `${folder}/head.sock`),
  );
});

test('the admin socket is beside the deliveries’ socket', (t) => {
  t.is(adminPathFor('/run/baton/head.sock'), '/run/baton/head.admin.sock');
  t.is(adminPathFor('/tmp/head'), '/tmp/head.admin.sock');
  t.is(adminPathFor('a.sock/b.sock'), 'a.sock/b.admin.sock');
});

/** What a user is told who connects to the default path; it becomes that user when everything is loaded. */
const connecting = `import { trustedSocketPath } from ${JSON.stringify(module)};
process.setgid(65534);
process.setuid(65534);
try {
  console.log(trustedSocketPath());
} catch (error) {
  console.log(error.code, error.message);
}`;

const asRoot = process.getuid!() === 0 ? test : test.skip;

asRoot('nobody connects to a head in a folder of theirs that another user has made', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const own = join(folder, 'baton-65534');
  const ask = async () => {
    const env = { PATH: process.env.PATH!, TMPDIR: folder };
    const args = ['--input-type=module-typescript', '--eval', connecting];
    return (await execa(process.execPath, args, { env, extendEnv: false })).stdout;
  };
  await chown(folder, 65534, 65534);
  t.is(await ask(), `${own}/head.sock`, 'nobody has made it yet');
  await mkdir(own);
  t.is(await ask(), `${own}/head.sock`, 'root has');
  await chown(own, 65534, 65534);
  t.is(await ask(), `${own}/head.sock`, 'its user has');
  await chown(own, 1000, 1000);
  t.regex(await ask(), /^SOCKET_UNUSABLE .*user 1000 has made .*baton-65534, and may be who answers there/);
});
