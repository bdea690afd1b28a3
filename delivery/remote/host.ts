/** What a host must have for a delivery to adopt connections; said at start, with what mends it. */
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { BatonError } from '../../shared/errors.ts';
import { canRepair } from '../../shared/tcp-repair/index.ts';

/** Throws NO_PRIVILEGE and VIP_MISSING. */
export function needToAdopt(vips: readonly string[]): void {
  const answer = canRepair();
  if (answer !== true) {
    throw new BatonError('NO_PRIVILEGE', {
      what: 'adopting connections of another host',
      capability: 'CAP_NET_ADMIN',
      problem: answer.text,
    });
  }
  for (const vip of vips) {
    if (hasAddress(vip)) continue;
    const mend = `ip addr add ${vip}/${isIPv4(vip) ? 32 : 128} dev lo`;
    throw new BatonError('VIP_MISSING', { vip, mend });
  }
}

const hasAddress = (address: string): boolean =>
  Object.values(networkInterfaces()).some((found) => found?.some((one) => one.address === address));
