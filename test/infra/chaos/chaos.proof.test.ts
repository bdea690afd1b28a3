import test, { type ExecutionContext } from 'ava';
import { type ChaosKind, placesOf } from '../../../infra/chaos/labs.ts';
import { runChaos } from '../../../infra/chaos/run.ts';
import { makeSchedule } from '../../../infra/chaos/schedule.ts';
import { BatonError } from '../../../shared/errors.ts';
import { asRoot } from '../../support/netns.ts';

const RATE = 40;

async function survives(t: ExecutionContext, on: ChaosKind, seed: number): Promise<void> {
  t.timeout(360_000);
  const schedule = makeSchedule(seed, 60_000, placesOf(on));
  const run = () => runChaos(schedule, { on, rate: RATE, signal: AbortSignal.timeout(170_000) });
  // One whose own cable broke says nothing of Baton: once more.
  const { violations, asked, succeeded, happened } = await run().catch((error) =>
    error instanceof BatonError && error.code === 'LAB_FAILED' ? run() : Promise.reject(error),
  );
  t.deepEqual(violations, []);
  t.is(happened.length, schedule.faults.length);
  t.true(asked > (RATE * 60) / 2 && succeeded > asked / 2, `${succeeded} of ${asked}`);
}

test.serial('a minute of chaos on one host costs nobody more than the tables say', (t) =>
  survives(t, 'loopback', 1),
);

asRoot([], test.serial)(
  'a minute of chaos in network namespaces costs nobody more than the tables say',
  (t) => survives(t, 'netns', 1),
);
