/**
 * How to register with heads on other hosts. `baton delivery` loads it, and half of a delivery's code with it, where it has such
 * heads.
 */
import { addressBytes } from '../../shared/addresses.ts';
import { BatonError } from '../../shared/errors.ts';
import { formatHostPort, type HostPort } from '../../shared/units.ts';
import { readSecret } from '../../shared/wire/remote/secret.ts';
import type { Log } from '../apart.ts';
import type { FarOptions, HeadAddress } from '../head-address.ts';
import type { Session } from '../session.ts';
import { AdoptedFlows } from './adopted-flows.ts';
import { GivenBack } from './given-back.ts';
import { needToAdopt } from './host.ts';
import { openRemoteSession } from './session.ts';
import { rehearse } from './warm-up.ts';

/** Throws what the options lack, or this host; what may go wrong is logged. */
export function farHeads(
  addresses: readonly HostPort[],
  { secret: file, vip }: FarOptions,
  log: Log,
): HeadAddress[] {
  const need = (option: string, problem: string) =>
    new BatonError('BAD_OPTION', {
      option,
      problem: `needed for a head on another host: ${problem}`,
      value: 'nothing',
    });
  if (file === undefined) throw need('--secret', 'the file with the secret that both share');
  if (vip === undefined) throw need('--vip', 'the address that clients connect to');
  const vips = vip.split(',');
  const shared = {
    secret: readSecret(file),
    vips: vips.map(addressBytes),
    isOneOfSeveral: addresses.length > 1,
  };
  for (const { found, fix } of needToAdopt(vips)) log.warn({ fix }, found);
  rehearse();
  // Whichever head has moved a connection here, all are told of it.
  const holdings = new AdoptedFlows();
  return addresses.map((address) => {
    const head = { ...shared, address, givenBack: new GivenBack(holdings) };
    return {
      name: formatHostPort(address),
      isFar: true,
      open: (introduction, _active, events, stop, moves) =>
        unlessStopped(
          openRemoteSession(head, { ...introduction, ...(moves && { moves }) }, holdings, events),
          stop,
        ),
    };
  });
}

/** A session that comes too late is closed. */
function unlessStopped(opening: Promise<Session>, stop: AbortSignal): Promise<Session> {
  return new Promise((resolve, reject) => {
    const onStop = () => reject(stop.reason as Error);
    stop.addEventListener('abort', onStop);
    opening
      .finally(() => stop.removeEventListener('abort', onStop))
      .then((session) => {
        if (stop.aborted) session.close();
        resolve(session);
      }, reject);
  });
}
