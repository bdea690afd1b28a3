import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatHostPort } from '../../shared/units.ts';
import { assembleLab } from './assemble.ts';
import { CONTROL_PORT, localDeliveries, PORT, remoteDelivery } from './deliveries.ts';
import type { Lab, LabOptions } from './lab.ts';
import { headHostOf, type NetnsHeadHost } from './netns/head-host.ts';
import { untilOneHasIt } from './netns/keepalived.ts';
import { buildNetwork, type NetnsHost, type Network } from './netns/network.ts';
import { labTopology } from './netns/topology.ts';
import { wantedOf } from './wanted.ts';

export interface NetnsLab extends Lab {
  readonly network: Network;
  readonly headHosts?: readonly NetnsHeadHost[];
}

/** What is dropped for a moment when the address comes to the other head (`--hold-unknown`). */
const HOLD_UNKNOWN = '3s';

/**
 * Every host a network namespace, on a bridge in one of its own (root). Clients reach the head at the VIP; deliveries are
 * on hosts of their own, and connections move to them. Two heads share the VIP, and keepalived moves it between them; the
 * first has it at the start.
 */
export async function startNetnsLab(options: LabOptions): Promise<NetnsLab> {
  const { heads: count = 1 } = options;
  const wanted = wantedOf('d', options.deliveries);
  const network = await buildNetwork(labTopology(options.deliveries, options.links, count));
  const { vip } = network.topology;
  const hosts = network.hosts.filter(({ spec }) => spec.vip === 'answers' || spec.vip === 'moves');
  const secret = join(network.directory, 'secret');
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const controlOf = ({ address }: NetnsHost) => formatHostPort({ host: address, port: CONTROL_PORT });
  const socketOf = ({ name }: NetnsHost) => join(network.directory, `${name}.sock`);
  const isShared = count > 1 ? ['--hold-unknown', HOLD_UNKNOWN, '--interface', 'eth0'] : [];
  // Two find out which deliveries they have to hear before either is ready.
  const expected = count > 1 ? ['--expect', String(wanted.length)] : [];
  const place = (host: NetnsHost) => ({
    host,
    arguments: [
      ...['--listen', formatHostPort({ host: vip.v4, port: PORT }), '--socket', socketOf(host)],
      ...['--control', controlOf(host), '--secret', secret, ...isShared, ...expected],
    ],
  });
  const [first, ...others] = hosts;
  const headHosts = hosts.map((host) =>
    headHostOf(network, host, join(network.directory, `${host.name}.admin.sock`)),
  );
  const meet = { controls: hosts.map(controlOf), secret, vips: `${vip.v4},${vip.v6}` };
  const lab = await assembleLab(
    {
      on: 'netns',
      client: network.host('client'),
      heads: [place(first!), ...others.map(place)],
      deliveries: [
        ...network.hosts
          .filter(({ spec }) => spec.vip === 'silent')
          .map((host, index) => remoteDelivery(host, wanted[index]!, meet)),
        ...localDeliveries(first!, socketOf(first!), options.local ?? 0),
      ],
      directory: network.directory,
      ...(count > 1 && {
        async share() {
          for (const [index, host] of headHosts.entries()) {
            await host.start();
            await untilOneHasIt(headHosts.slice(0, index + 1));
          }
          return async () => void (await Promise.all(headHosts.map((host) => host.stop())));
        },
      }),
      remove: () => network.remove(),
    },
    options,
  );
  return { ...lab, network, ...(count > 1 ? { headHosts } : {}) } as NetnsLab;
}
