/** Crowds that workers move to other hosts, through upgrades. */
import test from 'ava';
import { failed, type Visit, visit, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { startWorkerLanesLab, type WorkerLanesLab } from '../../support/worker-lanes-lab.ts';

const labTest = asRoot([], test.serial);

let lab: LabForTests;
let lanes: WorkerLanesLab;
labTest('a lab of two delivery hosts and a delivery at the head', async (t) => {
  lanes = await startWorkerLanesLab();
  ({ lab } = lanes);
  t.is(lab.deliveries.length, 3);
});

test.after.always('the last head ends', () => lanes?.endSuccessor());

labTest('no visit fails while workers move them, and crowds of them, through four upgrades', async (t) => {
  t.timeout(180_000);
  await lanes.only('d1', 'd2');
  let over = false;
  const steady = (async () => {
    const visits: Visit[] = [];
    while (!over)
      visits.push(
        ...(await visitSteadily(lab.head.listen, '/whoami', { count: 20, perSecond: 60, timeoutMs: 30_000 })),
      );
    return visits;
  })();
  const crowds: Promise<Visit>[] = [];
  for (let round = 0; round < 4; round++) {
    await lanes.untilLanes();
    // More than may be under way at once: some wait for their turn when no more numbers are given.
    crowds.push(...Array.from({ length: 200 }, () => visit(lab.head.listen, '/whoami', 30_000)));
    await lanes.upgrade();
  }
  await lanes.untilLanes();
  over = true;
  const visits = [...(await steady), ...(await Promise.all(crowds))];
  t.deepEqual(failed(visits), []);
  t.true(visits.every(({ body }) => body.includes('"transport":"migrate"')));
  await untilNothingIsLeft(lab);
});
