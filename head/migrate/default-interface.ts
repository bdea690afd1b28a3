import { networkInterfaces } from 'node:os';
import { BatonError } from '../../shared/errors.ts';

/**
 * The network card at which the packets of a listener arrive: the one that has its address. Throws BAD_OPTION when that
 * cannot be told, or when no other host can send packets there.
 */
export function cardOf(listenHost: string): string {
  const refuse = (problem: string) =>
    new BatonError('BAD_OPTION', { option: '--interface', problem, value: `--listen ${listenHost}` });
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (!addresses?.some(({ address }) => address === listenHost)) continue;
    if (addresses.every(({ internal }) => internal))
      throw refuse(
        'name the network card that clients come through; the listen address is on one that no packet enters',
      );
    return name;
  }
  throw refuse('name the network card that clients come through; it does not follow from the listen address');
}
