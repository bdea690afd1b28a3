import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatHostPort } from '../../shared/units.ts';
import { assembleLab, type Site } from './assemble.ts';
import type { Lab, LabOptions } from './lab.ts';
import { numbered } from './loopback.ts';
import { buildNetwork, type NetnsHost, type Network } from './netns/network.ts';
import { labTopology } from './netns/topology.ts';

/** In each host's own world every port is free. */
const PORT = 8080;
/** Of the head, for deliveries of other hosts. */
const CONTROL_PORT = 8090;
/** Deliveries on the head's own host have the ports after this one. */
const LOCAL_PORT = 8100;

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
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const remote = (host: NetnsHost): Site['deliveries'][number] => ({
    name: host.name,
    transport: 'migrate',
    host,
    arguments: [
      ...['--name', host.name, '--head', control, '--secret', secret, '--vip', `${vip.v4},${vip.v6}`],
      ...['--direct', formatHostPort({ host: host.address, port: PORT })],
    ],
  });
  const local = (name: string, index: number): Site['deliveries'][number] => ({
    name,
    transport: 'fd',
    host: head,
    arguments: [
      ...['--name', name, '--head', socket],
      ...['--direct', formatHostPort({ host: head.address, port: LOCAL_PORT + index })],
    ],
  });
  const lab = await assembleLab(
    {
      on: 'netns',
      client: network.host('client'),
      head: {
        host: head,
        arguments: ['--listen', listen, '--socket', socket, '--control', control, '--secret', secret],
      },
      deliveries: [
        ...network.hosts.filter(({ spec }) => spec.vip === 'silent').map(remote),
        ...numbered('l', options.local ?? 0).map(local),
      ],
      remove: () => network.remove(),
    },
    options,
  );
  return { ...lab, network };
}
