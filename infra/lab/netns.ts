import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatHostPort } from '../../shared/units.ts';
import { assembleLab } from './assemble.ts';
import { CONTROL_PORT, localDeliveries, PORT, remoteDelivery } from './deliveries.ts';
import type { Lab, LabOptions } from './lab.ts';
import { buildNetwork, type Network } from './netns/network.ts';
import { labTopology } from './netns/topology.ts';

export interface NetnsLab extends Lab {
  readonly network: Network;
}

/**
 * Every host a network namespace, on a bridge in one of its own (root). Clients reach the head at the VIP; deliveries are
 * on hosts of their own, and connections move to them.
 */
export async function startNetnsLab(options: LabOptions): Promise<NetnsLab> {
  const network = await buildNetwork(labTopology(options.deliveries, options.links));
  const { vip } = network.topology;
  const head = network.host('head');
  const socket = join(network.directory, 'head.sock');
  const secret = join(network.directory, 'secret');
  const listen = formatHostPort({ host: vip.v4, port: PORT });
  const control = formatHostPort({ host: head.address, port: CONTROL_PORT });
  const meet = { control, secret, vips: `${vip.v4},${vip.v6}` };
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const lab = await assembleLab(
    {
      on: 'netns',
      client: network.host('client'),
      head: {
        host: head,
        arguments: ['--listen', listen, '--socket', socket, '--control', control, '--secret', secret],
      },
      deliveries: [
        ...network.hosts
          .filter(({ spec }) => spec.vip === 'silent')
          .map((host) => remoteDelivery(host, meet)),
        ...localDeliveries(head, socket, options.local ?? 0),
      ],
      directory: network.directory,
      successors: true,
      remove: () => network.remove(),
    },
    options,
  );
  return { ...lab, network };
}
