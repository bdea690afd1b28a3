/** A lab of a file that has two heads: each can be named, and what is told to the head is told to both. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readLabFile } from '../../../../infra/lab/file/read.ts';
import { World } from '../../../../infra/lab/file/world.ts';
import { labKinds } from '../../../../infra/lab/kinds/index.ts';
import { needing } from '../../../support/needs.ts';

const file = `
on: netns
heads: 2
head: { policy: round-robin }
deliveries: [{ name: d1 }, { name: d2 }]
timetable:
  at 0: [mode redirect, drain d1, cable head2 delay 2ms]
  at 100ms: [kill head, mode created, policy least-connections, upgrade head2]
  at 200ms: [start head, freeze head2, mode redirect, continue head2]
  at 300ms: [stop head2, undrain d2]
`;

const netnsTest = needing('keepalived', process.getuid!() === 0 ? test : test.skip);

netnsTest(
  'each of two heads of a file is killed, frozen and replaced by its name, and all is put right again',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'baton-test-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const path = join(folder, 'two.yaml');
    await writeFile(path, file);
    const read = readLabFile(path);
    const netns = labKinds.find(({ name }) => name === 'netns')!;
    const world = await World.start(read, netns.start);
    t.teardown(async () => {
      await world.lab.stop();
      await world.close();
    });
    const seen: [string, readonly string[]][] = [];
    const happened = await world.follow(Date.now(), new AbortController().signal);
    t.deepEqual(
      happened.filter(({ problem }) => problem !== undefined),
      [],
    );
    const [first, second] = world.lab.heads;
    t.is((await first!.status()).mode, 'redirect');
    await t.throwsAsync(second!.status(), { code: 'NOT_RUNNING' });
    await world.restore();
    for (const head of world.lab.heads) {
      const { policy, deliveries } = await head.status();
      t.is(policy, 'round-robin');
      seen.push([head.host.name, deliveries.map(({ name, state }) => `${name} ${state}`).sort()]);
    }
    t.deepEqual(
      seen.map(([, states]) => states),
      [
        ['d1 up', 'd2 up'],
        ['d1 up', 'd2 up'],
      ],
    );
  },
);
