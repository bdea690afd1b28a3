import { SLOTS } from '../scoreboard.ts';
import type { Policy } from './policy.ts';

/**
 * Smooth weighted round-robin, as nginx does it (ngx_http_upstream_round_robin.c): each turn every candidate gains
 * its weight, the richest is chosen and pays what all gained. 5:1:1 gives a a b a c a a, not a a a a a b c.
 */
export const weighted: Policy = {
  name: 'weighted',
  summary: 'in proportion to the weights, evenly spread',
  needs: 'nothing',
  byRequest: 'shares',
  create(loads) {
    const credit = new Float64Array(SLOTS);
    return ({ slots, count }) => {
      let total = 0;
      let best = slots[0]!;
      for (let i = 0; i < count; i++) {
        const slot = slots[i]!;
        const weight = loads.weight(slot);
        total += weight;
        credit[slot]! += weight;
        if (credit[slot]! > credit[best]!) best = slot;
      }
      credit[best]! -= total;
      return best;
    };
  },
};
