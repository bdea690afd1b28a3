import { join } from 'node:path';
import { z } from 'zod';
import { formatHostPort } from '../../shared/units.ts';
import { getStatus, setMode } from '../admin-client.ts';
import type { Lab, LabOptions, Service } from './lab.ts';
import { buildNetwork, type NetnsHost, type Network } from './netns/network.ts';
import { labTopology } from './netns/topology.ts';
import { baton } from './service.ts';

const headReady = z.object({ ready: z.literal('head'), listen: z.string(), admin: z.string(), pid: z.int() });
const deliveryReady = z.object({
  ready: z.literal('delivery'),
  name: z.string(),
  direct: z.string(),
  pid: z.int(),
});

/** In each host's own world every port is free. */
const PORT = 8080;

export interface NetnsLab extends Lab {
  readonly network: Network;
}

/** Every host a network namespace, on a bridge in one of its own (root). Clients reach the head at the VIP. */
export async function startNetnsLab(options: LabOptions): Promise<NetnsLab> {
  const network = await buildNetwork(labTopology(options.deliveries, options.links));
  const services: Service[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll(services, network);
    return stopping;
  };
  const start = async (host: NetnsHost, ...args: string[]) => {
    const service = await host.start([...baton, ...args]);
    services.push(service);
    return service.ready;
  };
  try {
    const socket = join(network.directory, 'head.sock');
    const listen = formatHostPort({ host: network.topology.vip.v4, port: PORT });
    const head = headReady.parse(
      await start(
        network.host('head'),
        ...['head', '--listen', listen, '--socket', socket, '--mode', options.mode],
      ),
    );
    const places = network.hosts.filter(({ spec }) => spec.vip === 'silent');
    // All of them, also when one fails: what is still starting could not be stopped.
    const started = await Promise.allSettled(
      places.map((host) => start(host, 'delivery', ...deliveryArguments(host, socket))),
    );
    const deliveries = started.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return deliveryReady.parse(outcome.value);
    });
    return {
      on: 'netns',
      network,
      head: {
        listen: head.listen,
        pid: head.pid,
        status: () => getStatus(head.admin),
        setMode: (mode) => setMode(head.admin, mode),
      },
      deliveries,
      client: network.host('client'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A Unix socket reaches across network namespaces, so that connections can be handed over without moving them. */
const deliveryArguments = (host: NetnsHost, socket: string): string[] => [
  ...['--name', host.name, '--head', socket],
  ...['--direct', formatHostPort({ host: host.address, port: PORT })],
];

/** Deliveries first, so that the head hands nothing to one that is going; then the head; then what they were in. */
async function stopAll(services: readonly Service[], network: Network): Promise<void> {
  const [head, ...deliveries] = services;
  await Promise.all(deliveries.map((service) => service.stop()));
  await head?.stop();
  await network.remove();
}
