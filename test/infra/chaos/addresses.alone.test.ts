import { once } from 'node:events';
import { type Change, watchCard } from '../../../infra/chaos/addresses.ts';
import { now } from '../../../infra/chaos/records.ts';
import { ip } from '../../../infra/lab/netns/command.ts';
import { buildNetwork } from '../../../infra/lab/netns/network.ts';
import { labTopology } from '../../../infra/lab/netns/topology.ts';
import { asRoot } from '../../support/netns.ts';

const VIP = '10.77.0.100';

asRoot()('the kernel tells of an address that is there for a moment, and of a cable', async (t) => {
  const network = await buildNetwork(labTopology(0, {}, 2));
  t.teardown(network.remove);
  const host = network.host('head2');
  const told = new EventTarget();
  const seen: Change[] = [];
  const stop = await watchCard(
    host,
    network.topology.vip.v4,
    (isHere, at) => {
      seen.push({ at, host: 1, isHere });
      told.dispatchEvent(new Event('told'));
    },
    (error) => t.fail(error.message),
  );
  const untilTold = async (count: number) => {
    while (seen.length < count) await once(told, 'told');
  };
  const add = `addr add ${VIP}/32 dev eth0`;
  const began = now();
  await ip([add, `addr del ${VIP}/32 dev eth0`, add], host.namespace);
  await untilTold(3);
  await host.setCable(false);
  await untilTold(4);
  await host.setCable(true);
  await untilTold(5);
  await stop();
  t.deepEqual(
    seen.map(({ isHere }) => isHere),
    [true, false, true, false, true],
  );
  const times = [began, ...seen.map(({ at }) => at), now()];
  // Times are whole milliseconds of two clocks.
  for (const [index, at] of times.entries()) if (index > 0) t.true(at >= times[index - 1]! - 2, times.join());
});
