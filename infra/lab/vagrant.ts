import { formatHostPort } from '../../shared/units.ts';
import { assembleLab } from './assemble.ts';
import { CONTROL_PORT, localDeliveries, PORT, remoteDelivery } from './deliveries.ts';
import type { Lab, LabOptions } from './lab.ts';
import type { VagrantHost } from './vagrant/host.ts';
import { openHosts, restoreServices } from './vagrant/hosts.ts';
import { wantedOf } from './wanted.ts';

const SECRET = '/etc/baton/secret';
const SOCKET = '/run/baton/head.sock';

/**
 * The machines of the Vagrantfile, which are up already. Their services run with what the experiment wants until the lab
 * is stopped, and then again as after a boot. What is checked out here is what runs there.
 */
export async function startVagrantLab(options: LabOptions): Promise<Lab> {
  const wanted = wantedOf('d', options.deliveries);
  const hosts = await openHosts(wanted.length);
  const { client, head } = hosts;
  // Those that are not wanted stand still meanwhile, or they would register with the head as after a boot.
  const deliveries = hosts.deliveries.slice(0, wanted.length);
  const control = formatHostPort({ host: head.address, port: CONTROL_PORT });
  const prepare = async (host: VagrantHost) => {
    await host.services('clear');
    const link = options.links?.[wanted[deliveries.indexOf(host)]?.name ?? host.name];
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
      follows: true,
      client,
      heads: [
        {
          host: head,
          arguments: [
            ...['--listen', formatHostPort({ host: head.vip, port: PORT }), '--socket', SOCKET],
            ...['--control', control, '--secret', SECRET, '--interface', head.interface],
          ],
        },
      ],
      deliveries: [
        ...deliveries.map((host, index) =>
          remoteDelivery(host, wanted[index]!, { controls: [control], secret: SECRET, vips: host.vip }),
        ),
        ...localDeliveries(head, SOCKET, options.local ?? 0),
      ],
      async remove() {
        // `baton status` tells of a service that is not ready in time; it must not cost an experiment its report.
        await restoreServices(hosts).catch(() => {});
        await hosts.close();
      },
    },
    options,
  );
}
