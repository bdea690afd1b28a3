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
