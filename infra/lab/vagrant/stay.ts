/** The machines of the Vagrant lab, which stay until they are destroyed. */
import { formatTable } from '../../terminal/table.ts';
import type { WantedHosts } from '../kinds/kind.ts';
import { openHosts, restoreServices, type VagrantHosts } from './hosts.ts';
import { forgetSshConfig, vagrant } from './machines.ts';

/** Starts the machines, makes those that there are not, and sees to it that they run what is checked out here. */
export async function up({ deliveries, rttMs, heads }: WantedHosts): Promise<string> {
  await vagrant(['up'], {
    ...(deliveries === undefined ? {} : { BATON_DELIVERIES: String(deliveries) }),
    ...(heads === undefined ? {} : { BATON_HEADS: String(heads) }),
  });
  const hosts = await openHosts(deliveries);
  try {
    await restoreServices(hosts);
    if (rttMs !== undefined && rttMs > 0) await hosts.client.setLink({ delayMs: rttMs / 2 });
    return describe(hosts);
  } finally {
    await hosts.close();
  }
}

/** Vagrant itself says what it does. */
export async function down(): Promise<undefined> {
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
