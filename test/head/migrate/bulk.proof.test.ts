/** Connections that move by hundreds at once, and over lines that lose. */
import test, { type ExecutionContext } from 'ava';
import { failed, visit, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';

const labTest = asRoot([], test.serial);

let lab: LabForTests;
labTest('a lab of two delivery hosts', async (t) => {
  lab = await startTestLab({});
  t.is(lab.deliveries.length, 2);
});

labTest('five hundred connections move at once, and none fails', async (t) => {
  const before = await lab.head.status();
  // All are open together: each answer is held back until long after the last has connected.
  const visits = await Promise.all(Array.from({ length: 500 }, () => visit(lab.head.listen, '/delay/1000')));
  t.deepEqual(failed(visits), []);
  const after = await lab.head.status();
  t.is(after.migration!.outcomes.adopted! - before.migration!.outcomes.adopted!, 500);
  t.is(after.outcomes.handoff!.redirected, 0);
});

labTest(
  'with 1 % loss and a round trip of 20 ms a thousand connections move, and every byte arrives',
  async (t) => {
    const lossy = await startTestLab({ links: { client: { delayMs: 10, lossPercent: 1 } } });
    t.teardown(lossy.stop);
    await losingVisits(t, lossy);
    await untilNothingIsLeft(lossy);
  },
);

async function losingVisits(t: ExecutionContext, lossy: LabForTests): Promise<void> {
  const expected = await (await fetch(`http://${lossy.deliveries[0]!.direct}/bytes/20000`)).text();
  const visits = await visitSteadily(lossy.head.listen, '/bytes/20000', {
    count: 1000,
    perSecond: 100,
    timeoutMs: 60_000,
  });
  t.deepEqual(failed(visits), []);
  t.is(visits.filter(({ body }) => body !== expected).length, 0);
  const { migration, outcomes } = await lossy.head.status();
  t.is(migration!.outcomes.adopted, 1000, JSON.stringify(migration!.outcomes));
  t.is(outcomes.handoff!.taken, 1000);
}

labTest('nothing of all that is left', async (t) => {
  lab.enter('client');
  t.like(await untilNothingIsLeft(lab), { open: 0 });
});
