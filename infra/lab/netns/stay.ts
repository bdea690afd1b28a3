/** A network of namespaces that stays, for people to try things in. */
import { formatTable } from '../../terminal/table.ts';
import type { WantedHosts } from '../kinds/kind.ts';
import { buildNetwork, type Network, removeNetworks } from './network.ts';
import { labTopology } from './topology.ts';

/** Builds it and leaves it; what is where. */
export async function up({ deliveries = 2, rttMs = 0 }: WantedHosts): Promise<string> {
  const links = rttMs > 0 ? { client: { delayMs: rttMs / 2 } } : {};
  return describe(await buildNetwork(labTopology(deliveries, links), true));
}

/** Removes every network that stays, and what crashed labs have left. Labs at work are left alone. */
export async function down(): Promise<string> {
  const names = await removeNetworks();
  return names.length === 0 ? 'there was nothing to remove' : `removed ${names.join(', ')}`;
}

function describe({ name, hosts, topology: { vip } }: Network): string {
  const rows = hosts.map(({ name: host, namespace, spec }) => [host, namespace, spec.addresses.join(' ')]);
  return [
    formatTable(['host', 'namespace', 'addresses'], rows),
    '',
    `${name} is up; the shared addresses are ${vip.v4} and ${vip.v6}`,
    `a shell on the head: ip netns exec ${hosts.find(({ spec }) => spec.vip === 'answers')!.namespace} bash`,
    'remove it with:      baton lab down --on netns',
  ].join('\n');
}
