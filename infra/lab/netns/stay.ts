/** A network of namespaces that stays, for people to try things in. */
import { join } from 'node:path';
import { adminPathFor } from '../../../shared/paths.ts';
import { formatTable } from '../../terminal/table.ts';
import { CONTROL_PORT, PORT } from '../deliveries.ts';
import type { WantedHosts } from '../kinds/kind.ts';
import { startKeepalivedDaemon } from './keepalived.ts';
import { buildNetwork, type NetnsHost, type Network, removeNetworks } from './network.ts';
import { labTopology } from './topology.ts';

/** Builds it and leaves it; what is where. */
export async function up({ deliveries = 2, rttMs = 0, heads = 1 }: WantedHosts): Promise<string> {
  const links = rttMs > 0 ? { client: { delayMs: rttMs / 2 } } : {};
  const network = await buildNetwork(labTopology(deliveries, links, heads), true);
  const sharing = network.hosts.filter(({ spec }) => spec.vip === 'moves');
  for (const host of sharing) await startKeepalivedDaemon(host, network, adminOf(network, host.name));
  return describe(network);
}

const socketOf = ({ directory }: Network, host: string) => join(directory, `${host}.sock`);
const adminOf = (network: Network, host: string) => adminPathFor(socketOf(network, host));

/** Removes every network that stays, and what crashed labs have left. Labs at work are left alone. */
export async function down(): Promise<string> {
  const names = await removeNetworks();
  return names.length === 0 ? 'there was nothing to remove' : `removed ${names.join(', ')}`;
}

function describe(network: Network): string {
  const { name, hosts, topology } = network;
  const { vip } = topology;
  const rows = hosts.map(({ name: host, namespace, spec }) => [host, namespace, spec.addresses.join(' ')]);
  return [
    formatTable(['host', 'namespace', 'addresses'], rows),
    '',
    `${name} is up; the shared addresses are ${vip.v4} and ${vip.v6}`,
    `a shell on the head: ip netns exec ${hosts.find(isHead)!.namespace} bash`,
    ...sharedLines(network),
    'remove it with:      baton lab down --on netns',
  ].join('\n');
}

const isHead = ({ spec }: NetnsHost) => spec.vip === 'answers' || spec.vip === 'moves';

/** keepalived runs; what it asks for is the head that a person starts. */
function sharedLines(network: Network): string[] {
  const sharing = network.hosts.filter(({ spec }) => spec.vip === 'moves');
  const secret = join(network.directory, 'secret');
  const { vip } = network.topology;
  const controls = sharing.map(({ address }) => `--head ${address}:${CONTROL_PORT}`);
  if (sharing.length === 0) return [];
  return [
    'keepalived runs on both hosts, and gives the shared addresses to a head that is there; start the heads and a delivery:',
    `  openssl rand -hex 32 > ${secret} && chmod 600 ${secret}`,
    ...sharing.map(
      ({ namespace, name, address }) =>
        `  ip netns exec ${namespace} baton head --listen ${vip.v4}:${PORT} --interface eth0 --hold-unknown 3s --control ${address}:${CONTROL_PORT} --secret ${secret} --socket ${socketOf(network, name)}`,
    ),
    `  ip netns exec ${network.host('d1').namespace} baton delivery --name d1 ${controls.join(' ')} --secret ${secret} --vip ${vip.v4} --direct ${network.host('d1').address}:${PORT}`,
  ];
}
