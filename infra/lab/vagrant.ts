import { formatHostPort } from '../../shared/units.ts';
import { assembleLab, type Site } from './assemble.ts';
import type { Lab, LabOptions } from './lab.ts';
import { numbered } from './loopback.ts';
import type { VagrantHost } from './vagrant/host.ts';
import { openHosts, restoreServices } from './vagrant/hosts.ts';

const PORT = 8080;
/** Of the head, for deliveries of other hosts. */
const CONTROL_PORT = 8090;
/** Deliveries on the head's own host have the ports after this one. */
const LOCAL_PORT = 8100;
const SECRET = ['--secret', '/etc/baton/secret'];
const SOCKET = '/run/baton/head.sock';

/**
 * The machines of the Vagrantfile, which are up already. Their services run with what the experiment wants until the lab
 * is stopped, and then again as after a boot. What is checked out here is what runs there.
 */
export async function startVagrantLab(options: LabOptions): Promise<Lab> {
  const hosts = await openHosts(options.deliveries);
  const { client, head } = hosts;
  const control = formatHostPort({ host: head.address, port: CONTROL_PORT });
  const remote = (host: VagrantHost): Site['deliveries'][number] => ({
    name: host.name,
    transport: 'migrate',
    host,
    arguments: [
      ...['--name', host.name, '--head', control, ...SECRET, '--vip', host.vip],
      ...['--direct', formatHostPort({ host: host.address, port: PORT })],
    ],
  });
  const local = (name: string, index: number): Site['deliveries'][number] => ({
    name,
    transport: 'fd',
    host: head,
    arguments: [
      ...['--name', name, '--head', SOCKET],
      ...['--direct', formatHostPort({ host: head.address, port: LOCAL_PORT + index })],
    ],
  });
  const prepare = async (host: VagrantHost) => {
    await host.services('clear');
    const link = options.links?.[host.name];
    if (link) await host.setLink(link);
  };
  try {
    await Promise.all(hosts.all.map(prepare));
  } catch (error) {
    await hosts.close();
    throw error;
  }
  return assembleLab(
    {
      on: 'vagrant',
      client,
      head: {
        host: head,
        arguments: [
          ...['--listen', formatHostPort({ host: head.vip, port: PORT }), '--socket', SOCKET],
          ...['--control', control, ...SECRET, '--interface', head.interface],
        ],
      },
      deliveries: [...hosts.deliveries.map(remote), ...numbered('l', options.local ?? 0).map(local)],
      async remove() {
        // Of a service that is not ready in time `baton status` tells; it must not cost an experiment its report.
        await restoreServices(hosts).catch(() => {});
        await hosts.close();
      },
    },
    options,
  );
}
