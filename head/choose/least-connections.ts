import type { Policy } from './policy.ts';

/** The delivery with the fewest open connections for its weight. */
export const leastConnections: Policy = {
  name: 'least-connections',
  summary: 'the delivery with the fewest open connections for its weight',
  needs: 'nothing',
  create(loads) {
    let turn = 0;
    return ({ slots, count }) => {
      // Starting elsewhere each time shares equal loads out instead of giving all to the first.
      turn = (turn + 1) % count;
      let best = slots[turn]!;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < count; i++) {
        const slot = slots[(turn + i) % count]!;
        const load = loads.load(slot) / loads.weight(slot);
        if (load < least) {
          least = load;
          best = slot;
        }
      }
      return best;
    };
  },
};
