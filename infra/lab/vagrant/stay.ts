/** The machines of the Vagrant lab, which stay until they are destroyed. */
import { formatTable } from '../../terminal/table.ts';
import type { WantedHosts } from '../kinds/kind.ts';
import { Connections } from './connections.ts';
import type { VagrantHost } from './host.ts';
import { openHosts, restoreServices, untilOneHasIt, type VagrantHosts } from './hosts.ts';
import { forgetSshConfig, readSshConfig, vagrant } from './machines.ts';
import { syncSources } from './sync.ts';

/** Starts the machines, makes those that there are not, and sees to it that they run what is checked out here. */
export async function up({ deliveries, rttMs, heads }: WantedHosts): Promise<string> {
  const wanted = {
    ...(deliveries === undefined ? {} : { BATON_DELIVERIES: String(deliveries) }),
    ...(heads === undefined ? {} : { BATON_HEADS: String(heads) }),
  };
  await vagrant(['up'], wanted);
  if (!(await areProvisioned())) await vagrant(['provision'], wanted);
  const hosts = await openHosts(deliveries, heads);
  try {
    // Machines that were there before the second head was know of one.
    if (hosts.all.some((host) => !knowsHeads(host, hosts))) await vagrant(['provision'], wanted);
    await Promise.all(hosts.all.map((host) => host.alignClock()));
    await restoreServices(hosts);
    const active = hosts.spare && (await untilOneHasIt([hosts.head, hosts.spare]));
    if (rttMs !== undefined && rttMs > 0) await hosts.client.setLink({ delayMs: rttMs / 2 });
    return describe(hosts, active);
  } finally {
    await hosts.close();
  }
}

/**
 * Vagrant takes a machine whose provisioning failed, or was broken off, for one that has it behind it. One that has not gets
 * the sources that are checked out here, which may be what it lacked.
 */
async function areProvisioned(): Promise<boolean> {
  const config = await readSshConfig();
  const connections = await Connections.open();
  try {
    const answers = await Promise.all(
      config.machines.map(async (machine) => {
        const connection = await connections.to(config, machine);
        const look = 'test -e /etc/baton/provisioned && echo yes || echo no';
        const answer = await connection.run(['sh', '-c', look], 'looking whether it is provisioned');
        if (answer.trim() === 'yes') return true;
        await syncSources(connection);
        return false;
      }),
    );
    return answers.every(Boolean);
  } finally {
    await connections.close();
  }
}

const knowsHeads = ({ heads }: VagrantHost, { head, spare }: VagrantHosts): boolean =>
  heads.join() === [head, ...(spare ? [spare] : [])].map(({ address }) => address).join();

/** Vagrant itself says what it does. */
export async function down(): Promise<undefined> {
  await vagrant(['destroy', '--force']);
  await forgetSshConfig();
}

function describe({ all, head, client }: VagrantHosts, active: VagrantHost | undefined): string {
  const rows = all.map(({ name, address, connection }) => [name, connection.machine, address]);
  return [
    formatTable(['host', 'machine', 'address'], rows),
    '',
    `the Vagrant lab is up; the shared address is ${head.vip}${active ? `, and ${active.name} has it` : ''}`,
    `visit it:       vagrant ssh ${client.connection.machine} -c 'curl -s http://vip:8080/whoami'`,
    'switch it:      baton mode redirect --on vagrant',
    'measure:        baton lab modes --on vagrant',
    'destroy it:     baton lab down --on vagrant',
  ].join('\n');
}
