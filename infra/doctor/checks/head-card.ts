import { cardWith } from '../../../shared/host/cards.ts';
import { type Asked, type Check, lacking, ok, unknown } from '../check.ts';
import { asRoot, type Machine } from '../machine.ts';

/** The card that clients come through: as told, else the one with the shared address, else the only one. */
export function clientCard({ cards }: Pick<Machine, 'cards'>, asked: Asked): string | undefined {
  if (asked.interface !== undefined) return asked.interface;
  for (const vip of asked.vips) {
    const card = cardWith(vip, cards);
    if (card && !card.loopback) return card.name;
  }
  const candidates = cards.filter(({ resolves }) => resolves);
  return candidates.length === 1 ? candidates[0]!.name : undefined;
}

export const headCard: Check = {
  name: 'network card',
  for: ['head'],
  examine(machine, asked) {
    const card = clientCard(machine, asked);
    if (card === undefined) return unknown('several cards, or none: --interface NAME tells which');
    const mac = machine.read(`/sys/class/net/${card}/address`);
    if (mac === undefined)
      return lacking(`there is no card ${card}`, '--interface NAME of one that "ip link" lists');
    const state = machine.read(`/sys/class/net/${card}/operstate`);
    if (state === 'down') return lacking(`${card} is down`, asRoot(machine, `ip link set ${card} up`));
    return ok(`${card} (${mac})`);
  },
};
