import { formatHostPort } from '../../shared/units.ts';
import { assembleLab } from './assemble.ts';
import { CONTROL_PORT, localDeliveries, PORT, remoteDelivery } from './deliveries.ts';
import type { Lab, LabOptions } from './lab.ts';
import type { VagrantHost } from './vagrant/host.ts';
import { openHosts, restoreServices, untilOneHasIt, type VagrantHosts } from './vagrant/hosts.ts';
import { wantedOf } from './wanted.ts';

const SECRET = '/etc/baton/secret';
const SOCKET = '/run/baton/head.sock';
/** What is dropped for a moment when the address comes to the other head. */
const HOLD_UNKNOWN = '3s';

export interface VagrantLab extends Lab {
  readonly hosts: VagrantHosts;
}

/**
 * The machines of the Vagrantfile, which are up already. Their services run with what the experiment wants until the lab
 * is stopped, and then again as after a boot. What is checked out here is what runs there. Of two heads the first has the
 * address at the start; where one is wanted, the second gives it away meanwhile.
 */
export async function startVagrantLab(options: LabOptions): Promise<VagrantLab> {
  const wanted = wantedOf('d', options.deliveries);
  const hosts = await openHosts(wanted.length, options.heads);
  const { client, head } = hosts;
  const heads = [head, ...(options.heads === 2 ? [hosts.spare!] : [])];
  // Those that are not wanted stand still meanwhile, or they would register with the head as after a boot.
  const deliveries = hosts.deliveries.slice(0, wanted.length);
  const controlOf = ({ address }: VagrantHost) => formatHostPort({ host: address, port: CONTROL_PORT });
  const controls = heads.map(controlOf);
  const isShared =
    heads.length > 1 ? ['--hold-unknown', HOLD_UNKNOWN, '--expect', String(wanted.length)] : [];
  const placeHead = (host: VagrantHost) => ({
    host,
    arguments: [
      ...['--listen', formatHostPort({ host: host.vip, port: PORT }), '--socket', SOCKET],
      ...['--control', controlOf(host), '--secret', SECRET, '--interface', host.interface, ...isShared],
    ],
  });
  const prepare = async (host: VagrantHost) => {
    await host.services('clear');
    await host.alignClock();
    const link = options.links?.[wanted[deliveries.indexOf(host)]?.name ?? host.name];
    if (link) await host.setLink(link);
  };
  try {
    await Promise.all(hosts.all.map(prepare));
  } catch (error) {
    await hosts.close();
    throw error;
  }
  const lab = await assembleLab(
    {
      on: 'vagrant',
      follows: true,
      client,
      heads: [placeHead(head), ...heads.slice(1).map(placeHead)],
      deliveries: [
        ...deliveries.map((host, index) =>
          remoteDelivery(host, wanted[index]!, { controls, secret: SECRET, vips: host.vip }),
        ),
        ...localDeliveries(head, SOCKET, options.local ?? 0),
      ],
      // keepalived gives it the address also where the other stands aside.
      ...(hosts.spare && {
        async share() {
          for (const [index, host] of heads.entries()) {
            await host.share('start');
            await untilOneHasIt(heads.slice(0, index + 1));
          }
          return async () => {};
        },
      }),
      async remove() {
        // `baton status` tells of a service that is not ready in time; it must not cost an experiment its report.
        await restoreServices(hosts).catch(() => {});
        await hosts.close();
      },
    },
    options,
  );
  return { ...lab, hosts };
}
