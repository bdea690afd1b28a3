/**
 * Rolling restarts of deliveries of other hosts, and of both kinds together, each of which gives back what it has when it is stopped.
 * With BATON_MOVING=full by the numbers of a large site, else of a small one:
 * `npx ava test/head/migrate/rolling.proof.test.ts` with and without.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { asRoot } from '../../support/netns.ts';
import { startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { askSteadily } from '../../support/steady-clients.ts';

const labTest = asRoot();
const isFull = process.env.BATON_MOVING === 'full';
const load = isFull
  ? { count: 500, perSecond: 1000, neverIdle: 10 }
  : { count: 100, perSecond: 200, neverIdle: 4 };

for (const [title, deliveries, local] of [
  ['four deliveries of other hosts', 4, 0],
  ["two deliveries of other hosts and two of the head's own", 2, 2],
] as const)
  labTest(`a rolling restart of ${title} fails nobody`, async (t) => {
    t.timeout(240_000);
    const lab = await startTestLab({
      deliveries,
      local,
      headArguments: ['--workers', '2'],
      deliveryArguments: ['--move', 'on'],
    });
    const steady = await askSteadily(lab.head.listen, load);
    const taking: string[] = [];
    for (const delivery of lab.deliveries) {
      await delay(200);
      const before = await lab.head.status();
      const has = before.deliveries.find(({ name }) => name === delivery.name)!.inUse;
      const began = performance.now();
      await delivery.stop();
      taking.push(`${delivery.name} ${has} in ${(performance.now() - began).toFixed(0)} ms`);
      t.true(has > 0);
      await delivery.restart();
      await lab.untilStatus('it is back', (status) =>
        status.deliveries.some(({ name, state }) => name === delivery.name && state === 'up'),
      );
    }
    await steady.stop();
    const { givenBack } = await lab.head.status();
    t.log(
      `${steady.answered} requests on ${load.count} connections, ${givenBack} times moved, ${steady.failed.length} failed; ${taking.join(', ')}`,
    );
    t.deepEqual(steady.failed, []);
    t.true(givenBack > load.count);
    steady.close();
    await untilNothingIsLeft(lab);
    await lab.stop();
  });
