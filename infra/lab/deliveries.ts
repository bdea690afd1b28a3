/** Deliveries of labs whose hosts have addresses of their own: where they listen, and how they meet the head. */
import { formatHostPort } from '../../shared/units.ts';
import type { Site } from './assemble.ts';
import type { Host } from './lab.ts';
import { type Wanted, type WantedDelivery, wantedOf } from './wanted.ts';

/** On such a host every port is free: of the head at the shared address, and of a delivery at its own. */
export const PORT = 8080;
/** The head's port for deliveries of other hosts. */
export const CONTROL_PORT = 8090;
/** Deliveries on the head's own host have the ports from this one on. */
const LOCAL_PORT = 8100;

interface AddressedHost extends Host {
  readonly address: string;
}

type PlacedDelivery = Site['deliveries'][number];

/** On a host of its own: connections move there. `vips`: one, or several with commas. */
export function remoteDelivery(
  host: AddressedHost,
  { name, arguments: more = [] }: WantedDelivery,
  { controls, secret, vips }: { controls: readonly string[]; secret: string; vips: string },
): PlacedDelivery {
  const direct = formatHostPort({ host: host.address, port: PORT });
  return {
    name,
    transport: 'migrate',
    host,
    arguments: [
      ...['--name', name, '--secret', secret],
      ...controls.flatMap((control) => ['--head', control]),
      ...['--vip', vips, '--direct', direct],
      ...more,
    ],
  };
}

/** On the head's own host, `l1`, `l2`, ...: connections are handed over as fds. */
export function localDeliveries(head: AddressedHost, socket: string, wanted: Wanted): PlacedDelivery[] {
  return wantedOf('l', wanted).map(({ name, arguments: more = [] }, index) => {
    const direct = formatHostPort({ host: head.address, port: LOCAL_PORT + index });
    return {
      name,
      transport: 'fd',
      host: head,
      arguments: ['--name', name, '--head', socket, '--direct', direct, ...more],
    };
  });
}
