import type { Policy } from './policy.ts';

/** One after the other: what the notes call "systematically pick". Each worker goes round by itself. */
export const roundRobin: Policy = {
  name: 'round-robin',
  summary: 'one delivery after the other',
  needs: 'nothing',
  byRequest: 'turns',
  create() {
    let last = -1;
    return ({ slots, count }) => {
      // The next slot after the last one that can take it, so that a full delivery does not double its neighbour.
      let lowest = slots[0]!;
      let next = -1;
      for (let i = 0; i < count; i++) {
        const slot = slots[i]!;
        if (slot < lowest) lowest = slot;
        if (slot > last && (next < 0 || slot < next)) next = slot;
      }
      last = next < 0 ? lowest : next;
      return last;
    };
  },
};
