import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';

const main = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));
/** On a machine without Vagrant. */
const baton = (...args: string[]) =>
  execa(process.execPath, [main, ...args], { reject: false, env: { PATH: '/nowhere' } });

for (const args of [
  ['lab', 'up'],
  ['lab', 'modes', '--quick'],
  ['lab', 'down'],
  ['doctor'],
  ['status'],
  ['mode', 'redirect'],
]) {
  test(`baton ${args.join(' ')} --on vagrant says how to get Vagrant where it is not`, async (t) => {
    const { exitCode, stderr } = await baton(...args, '--on', 'vagrant');
    t.is(exitCode, 1, stderr);
    t.regex(stderr, /^baton: vagrant is needed for this; install it: .*apt-get install vagrant/m);
  });
}

for (const verb of ['mode', 'status', 'doctor', 'drain']) {
  test(`baton ${verb} is not for a lab that has no head of its own to ask`, async (t) => {
    const { exitCode, stderr } = await baton(verb, ...(verb === 'drain' ? ['d1'] : []), '--on', 'netns');
    t.is(exitCode, 2);
    t.regex(stderr, /vagrant/);
  });
}

test('baton lab up on virtual machines refuses a size that makes no sense', async (t) => {
  const { exitCode, stderr } = await baton('lab', 'up', '--on', 'vagrant', '--deliveries', '0');
  t.is(exitCode, 2);
  t.regex(stderr, /--deliveries/);
});
