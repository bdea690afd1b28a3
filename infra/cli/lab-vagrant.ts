/** `baton lab up` and `baton lab down` with virtual machines. */
import { openHosts, restoreServices, type VagrantHosts } from '../lab/vagrant/hosts.ts';
import { forgetSshConfig, vagrant } from '../lab/vagrant/machines.ts';
import { formatTable } from '../terminal/table.ts';
import { type NetworkFlags, readNetworkFlags } from './lab-network.ts';

/** Starts the machines, makes those that there are not, and sees to it that they run what is checked out here. */
export async function vagrantUp(flags: NetworkFlags): Promise<void> {
  const { deliveries, rttMs } = readNetworkFlags(flags);
  await vagrant(['up'], deliveries === undefined ? {} : { BATON_DELIVERIES: String(deliveries) });
  const hosts = await openHosts(deliveries);
  try {
    await restoreServices(hosts);
    if (rttMs !== undefined && rttMs > 0) await hosts.client.setLink({ delayMs: rttMs / 2 });
    process.stdout.write(`${describe(hosts)}\n`);
  } finally {
    await hosts.close();
  }
}

export async function vagrantDown(): Promise<void> {
  await vagrant(['destroy', '--force']);
  await forgetSshConfig();
}

function describe({ all, head, client }: VagrantHosts): string {
  const rows = all.map(({ name, address, connection }) => [name, connection.machine, address]);
  return [
    formatTable(['host', 'machine', 'address'], rows),
    '',
    `the Vagrant lab is up; the shared address is ${head.vip}`,
    `visit it:       vagrant ssh ${client.connection.machine} -c 'curl -s http://vip:8080/whoami'`,
    'switch it:      baton mode redirect --on vagrant',
    'measure:        baton lab modes --on vagrant',
    'destroy it:     baton lab down --on vagrant',
  ].join('\n');
}
