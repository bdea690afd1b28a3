/** `baton lab up` and `baton lab down`: a network of namespaces for people to try things in. */
import { SLOTS } from '../../head/board.ts';
import { BatonError } from '../../shared/errors.ts';
import { parseDuration } from '../../shared/units.ts';
import { buildNetwork, type Network, removeNetworks } from '../lab/netns/network.ts';
import { labTopology } from '../lab/netns/topology.ts';
import { formatTable } from '../terminal/table.ts';

export interface NetworkFlags {
  readonly on: string;
  readonly deliveries?: string;
  readonly rtt?: string;
}

/** More would be refused by the lab's own head. */
const DELIVERIES_MAX = SLOTS;

/** Builds it, says what is where, and leaves it. */
export async function labUp(flags: NetworkFlags): Promise<void> {
  needNetns('up', flags.on);
  const { deliveries = 2, rttMs = 0 } = readNetworkFlags(flags);
  const links = rttMs > 0 ? { client: { delayMs: rttMs / 2 } } : {};
  const network = await buildNetwork(labTopology(deliveries, links), true);
  process.stdout.write(`${describe(network)}\n`);
}

/** What was given of them, checked. */
export function readNetworkFlags(flags: Omit<NetworkFlags, 'on'>): { deliveries?: number; rttMs?: number } {
  const deliveries = flags.deliveries === undefined ? undefined : Number(flags.deliveries);
  if (
    deliveries !== undefined &&
    !(Number.isInteger(deliveries) && deliveries >= 1 && deliveries <= DELIVERIES_MAX)
  ) {
    const problem = `give a number from 1 to ${DELIVERIES_MAX}, as many as a head takes`;
    throw new BatonError('BAD_OPTION', { option: '--deliveries', problem, value: flags.deliveries! });
  }
  const rttMs = flags.rtt === undefined ? undefined : parseDuration(flags.rtt);
  if (flags.rtt !== undefined && (rttMs === undefined || rttMs > 10_000)) {
    const problem = 'give something like 50ms, at most 10s';
    throw new BatonError('BAD_OPTION', { option: '--rtt', problem, value: flags.rtt });
  }
  return { ...(deliveries === undefined ? {} : { deliveries }), ...(rttMs === undefined ? {} : { rttMs }) };
}

/** Removes every network of `lab up`, and what crashed labs have left. Labs at work are left alone. */
export async function labDown(flags: Pick<NetworkFlags, 'on'>): Promise<void> {
  needNetns('down', flags.on);
  const names = await removeNetworks();
  const said = names.length === 0 ? 'there was nothing to remove' : `removed ${names.join(', ')}`;
  process.stdout.write(`${said}\n`);
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

function needNetns(verb: string, on: string): void {
  if (on === 'netns') return;
  const problem = `lab ${verb} builds networks; the labs that have one are netns and vagrant`;
  throw new BatonError('BAD_OPTION', { option: '--on', problem, value: on });
}
