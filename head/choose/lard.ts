import { Busy, busyParameters, isAmong } from './busy.ts';
import type { Policy } from './policy.ts';
import { Targets, targetBytes } from './targets.ts';

/**
 * Locality-aware request distribution (Pai et al., ASPLOS 1998, figure 2): a path goes where it went before, so that it is
 * found in that delivery's cache; for the first time, and when that one is too busy, to the least busy one. All workers go by the
 * same table. A slot that another delivery has by now goes on with what its predecessor there had.
 */
export const lard: Policy = {
  name: 'lard',
  summary: 'the same path to the same delivery, unless that is too busy (lard:low=25,high=65 connections)',
  needs: 'path',
  byRequest: 'lease',
  parameters: busyParameters,
  sharedBytes: targetBytes(1),
  create(loads, _nameHash, { parameters, shared }) {
    const targets = new Targets(shared, 1);
    const busy = new Busy(loads, parameters);
    return (candidates, keyHash) => {
      busy.look(candidates);
      const at = targets.find(keyHash, Date.now() >>> 0);
      const slot = targets.get(at) - 1;
      if (isAmong(slot, candidates) && !busy.isTooBusy(slot)) return slot;
      targets.set(at, busy.least + 1);
      return busy.least;
    };
  },
};
