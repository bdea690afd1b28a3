/** Many connections of another host are given back: what if the delivery or the head dies, freezes or is replaced while they move? */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { type Kept, keepAliveMany } from '../../support/keep-alive.ts';
import { type MovingLab, startMovingLab } from '../../support/moving-lab.ts';
import { asRoot } from '../../support/netns.ts';
import { untilNothingIsLeft } from '../../support/netns-lab.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);

let lab: MovingLab;
labTest('a lab of one delivery host and one delivery at the head', async (t) => {
  lab = await startMovingLab();
  t.is(lab.deliveries.length, 2);
});

const move = (name: string) => drainByMoving(join(lab.network.directory, 'head.admin.sock'), name);

/** What became of each: who answers, or how it has ended. */
const fates = (clients: readonly Kept[]): Promise<string[]> =>
  Promise.all(clients.map((client) => client.who().catch(() => 'lost')));

/** Some of 300 connections of d1 have moved to l1, and others are about to. `whenThere`: before the first. */
async function manyMove(
  t: ExecutionContext,
  whenThere: (clients: readonly Kept[]) => void = () => {},
): Promise<{ clients: Kept[]; before: number }> {
  await lab.only('d1');
  const clients = await keepAliveMany(lab.head.listen, 300);
  t.deepEqual([...new Set(await fates(clients))], ['d1']);
  whenThere(clients);
  const before = (await lab.head.status()).givenBack;
  await lab.only('l1');
  await move('d1');
  await until(
    'some have moved',
    () => lab.head.status(),
    ({ givenBack }) => givenBack > before,
  );
  return { clients, before };
}

for (const how of ['killed', 'frozen for a moment'] as const) {
  labTest(`a delivery that is ${how} while what it has moves`, async (t) => {
    const { clients, before } = await manyMove(t);
    if (how === 'killed') await lab.d1.kill();
    else await lab.d1.freeze();
    const { givenBack } = await lab.head.status();
    if (how !== 'killed') {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await lab.d1.resume();
    }
    const found = await fates(clients);
    const lost = found.filter((fate) => fate === 'lost').length;
    t.log(`${givenBack - before} had moved, ${lost} lost`);
    if (how === 'killed') {
      t.true(found.filter((fate) => fate === 'l1').length >= givenBack - before - 1);
      await lab.d1.restart();
    } else t.is(lost, 0);
    for (const { socket } of clients) socket.destroy();
    await lab.head.drain('d1', false);
    await untilNothingIsLeft(lab);
  });
}

labTest(
  'a head that is killed while connections move: what it had not decided goes on where it was',
  async (t) => {
    const { clients } = await manyMove(t);
    const restarted = lab.head.restart('kill');
    // A server keeps what is idle for 5 s, and a head may take longer to come back.
    const asked = fates(clients);
    await restarted;
    await lab.untilStatus('both are back', ({ deliveries }) => deliveries.length === 2);
    const found = await asked;
    const count = (fate: string) => found.filter((one) => one === fate).length;
    t.log(`l1 ${count('l1')}, d1 ${count('d1')}, lost ${count('lost')}`);
    t.is(count('l1') + count('d1') + count('lost'), clients.length, 'nobody waits');
    // What was its own at that moment: given back to it, and not taken.
    t.true(count('lost') <= 64, `${count('lost')}`);
    t.true(count('l1') > 0);
    for (const { socket } of clients) socket.destroy();
    await lab.head.drain('d1', false);
  },
);

labTest('a head that is taken over while connections move: nobody loses one', async (t) => {
  t.timeout(120_000);
  let goesOn = true;
  // None is idle for as long as a server allows, and no answer comes from elsewhere.
  const askOn = async (client: Kept) => {
    const seen = new Set<string>();
    while (goesOn) {
      seen.add(await client.who());
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return seen;
  };
  let asking: Promise<Set<string>>[] = [];
  const { clients } = await manyMove(t, (all) => {
    asking = all.map(askOn);
  });
  await lab.head.upgrade();
  await lab.untilStatus('both are back', ({ deliveries }) => deliveries.length === 2);
  // A new registration, which the operator asks again.
  await move('d1');
  await lab.untilStatus('d1 has none', ({ deliveries }) =>
    deliveries.some(({ name, inUse }) => name === 'd1' && inUse === 0),
  );
  goesOn = false;
  for (const seen of await Promise.all(asking)) t.true(seen.has('d1') || seen.has('l1'));
  t.deepEqual([...new Set(await fates(clients))], ['l1']);
  for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
  for (const { socket } of clients) socket.destroy();
  await lab.head.drain('d1', false);
});

labTest('when all has ended nothing is left', async (t) => {
  t.like(await untilNothingIsLeft(lab), { open: 0 });
});
