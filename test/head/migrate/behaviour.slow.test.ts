/** What a client gets is the same when its connection moves to another host, in namespaces of their own. */
import { join } from 'node:path';
import test from 'ava';
import { type NetnsLab, startNetnsLab } from '../../../infra/lab/netns.ts';
import { declareBehaviour, type Way } from '../../support/behaviour.ts';
import { declareBehaviourToday } from '../../support/behaviour-today.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { asRoot } from '../../support/netns.ts';

let lab: NetnsLab | undefined;
const labTest = asRoot([], test.serial);

labTest('a lab with two hosts of deliveries starts, and this file visits it from its client', async (t) => {
  lab = await startNetnsLab({ mode: 'handoff', deliveries: 2 });
  enterNamespace(lab.network.host('client').namespace);
  t.deepEqual(
    lab.deliveries.map(({ transport }) => transport),
    ['migrate', 'migrate'],
  );
});

const way: Way = {
  name: 'migrate',
  byItself: true,
  start: () => ({
    address: lab!.head.listen,
    direct: lab!.deliveries[0]!.direct,
    directory: join(lab!.network.directory),
  }),
};
declareBehaviour(way, labTest);
declareBehaviourToday(way, labTest);

labTest('every connection was moved, and none was answered in another way', async (t) => {
  const { outcomes, migration, accepted } = await lab!.head.status();
  t.true(accepted > 30);
  t.like(outcomes.handoff, { taken: accepted, redirected: 0, unavailable: 0 });
  t.is(migration!.outcomes.adopted, accepted);
});

test.after.always(async () => {
  await lab?.stop();
});
