/** What another user of the machine can do to a head: SECURITY.md. */
import { chmod } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { startCluster } from '../support/cluster.ts';

const script = fileURLToPath(new URL('../support/as-another.ts', import.meta.url));
const [NOBODY, GROUP] = [65_534, 54_321];
const asRoot =
  process.getuid!() === 0 || process.env.CI !== undefined
    ? test.serial
    : (test.serial.skip as typeof test.serial);

async function tryAs(uid: number, gid: number, groups: readonly number[], socket: string, admin: string) {
  const { stdout } = await execa(process.execPath, [
    script,
    ...[uid, gid, groups.join(), socket, admin].map(String),
  ]);
  return JSON.parse(stdout) as { delivery: string; admin: string };
}

asRoot('another user opens neither the deliveries’ socket nor the admin socket', async (t) => {
  const { socket, admin, directory } = await startCluster(t, ['--workers', '1'], []);
  // The sockets' own modes keep others out, not that of their folder alone.
  for (const mode of [0o700, 0o777]) {
    await chmod(directory, mode);
    t.deepEqual(await tryAs(NOBODY, NOBODY, [], socket, admin), { delivery: 'EACCES', admin: 'EACCES' });
  }
});

asRoot(
  'a member of the head’s group registers deliveries, and steers nothing; nobody else does either',
  async (t) => {
    const args = ['--workers', '1', '--group', String(GROUP)];
    const { socket, admin, directory } = await startCluster(t, args, []);
    await chmod(directory, 0o777);
    t.deepEqual(await tryAs(NOBODY, GROUP, [], socket, admin), { delivery: 'welcome', admin: 'EACCES' });
    t.deepEqual(await tryAs(NOBODY, NOBODY, [GROUP], socket, admin), {
      delivery: 'welcome',
      admin: 'EACCES',
    });
    t.deepEqual(await tryAs(NOBODY, NOBODY, [], socket, admin), { delivery: 'EACCES', admin: 'EACCES' });
    // A file that somebody has opened to all does not open the head.
    await chmod(socket, 0o777);
    t.deepEqual(await tryAs(NOBODY, NOBODY, [], socket, admin), {
      delivery: 'PEER_FORBIDDEN',
      admin: 'EACCES',
    });
  },
);
