import { type Check, lacking, ok, unknown } from '../check.ts';
import { clientCard } from './head-card.ts';

export const flows: Check = {
  name: 'steered flows',
  for: ['head'],
  async examine(machine, asked) {
    const card = clientCard(machine, asked);
    if (card === undefined || machine.read(`/sys/class/net/${card}/address`) === undefined) return undefined;
    const found = await machine.flowsOn(card);
    if (found === undefined) return ok(`none at work on ${card}`);
    if (found === true) return undefined;
    if ('count' in found)
      return ok(
        `a table with ${found.count} of ${found.capacity} flows is at work on ${card}; the next head adopts it`,
      );
    if (found.code === 'STEERING_FOREIGN') return lacking(found.problem, found.fix);
    return unknown(`something steers on ${card}; only root may look into it`);
  },
};
