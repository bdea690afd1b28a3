/** What a host must have for a delivery to adopt connections; said at start, with what fixes it. */
import { BatonError } from '../../shared/errors.ts';
import { cardWith, readCards, readSetting } from '../../shared/host/cards.ts';
import { addCommand, exposure, strictReversePath, type Trouble } from '../../shared/host/direct-return.ts';
import { beginToResume, canRepair } from '../../shared/tcp-repair/index.ts';

/** Throws NO_PRIVILEGE and VIP_MISSING; what may go wrong without stopping anybody is returned. */
export function needToAdopt(vips: readonly string[]): Trouble[] {
  const answer = canRepair();
  if (answer !== true) {
    throw new BatonError('NO_PRIVILEGE', {
      what: 'adopting connections of another host',
      capability: 'CAP_NET_ADMIN',
      problem: answer.text,
    });
  }
  const cards = readCards();
  for (const vip of vips) {
    if (!cardWith(vip, cards)) throw new BatonError('VIP_MISSING', { vip, fix: addCommand(vip, 'lo') });
  }
  const troubles = [exposure(vips, cards, readSetting), strictReversePath(cards, readSetting), anew()];
  return troubles.filter((trouble) => trouble !== undefined);
}

function anew(): Trouble | undefined {
  const why = beginToResume();
  if (why === undefined) return undefined;
  return {
    found: `connections that move here after they have sent begin with the window of a new one: ${why}`,
    fix: 'run it as root, or with CAP_BPF and CAP_NET_ADMIN; or give the route to clients a larger initcwnd (ip-route(8))',
  };
}
