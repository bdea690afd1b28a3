import { Busy, busyParameters } from './busy.ts';
import type { Candidates, Policy } from './policy.ts';
import { Targets, targetBytes } from './targets.ts';

/** Of what is remembered of a target: the slots that serve it, a bit each, and when these changed last (milliseconds). */
const SLOTS_AT = 0;
const CHANGED_AT = 2;

/**
 * LARD with replication (Pai et al., ASPLOS 1998, figure 3): as `lard`, but a path for which one delivery is not enough gets
 * another one besides, and the busiest of them is taken off again when nothing has changed for `after` seconds.
 */
export const lardR: Policy = {
  name: 'lard-r',
  summary:
    'as lard, and several deliveries for a path that one is too busy for (lard-r:low=25,high=65,after=20 s)',
  needs: 'path',
  byRequest: 'lease',
  parameters: { ...busyParameters, after: { value: 20, min: 1, max: 86_400 } },
  sharedBytes: targetBytes(3),
  create(loads, _nameHash, { parameters, shared }) {
    const targets = new Targets(shared, 3);
    const busy = new Busy(loads, parameters);
    const afterMs = parameters.after! * 1000;
    const wordOf = (at: number, slot: number) => at + SLOTS_AT + (slot >> 5);
    const has = (at: number, slot: number) => (targets.get(wordOf(at, slot)) & (1 << (slot & 31))) !== 0;
    const put = (at: number, slot: number) =>
      targets.set(wordOf(at, slot), targets.get(wordOf(at, slot)) | (1 << (slot & 31)));
    const take = (at: number, slot: number) =>
      targets.set(wordOf(at, slot), targets.get(wordOf(at, slot)) & ~(1 << (slot & 31)));

    /** Of those that serve it and can take it: the least and the most busy one; -1 where there is none. */
    let least = -1;
    let most = -1;
    function lookAtServers(at: number, { slots, count }: Candidates): void {
      least = most = -1;
      for (let i = 0; i < count; i++) {
        const slot = slots[i]!;
        if (!has(at, slot)) continue;
        if (least < 0 || busy.of(slot) < busy.of(least)) least = slot;
        if (most < 0 || busy.of(slot) >= busy.of(most)) most = slot;
      }
    }

    return (candidates, keyHash) => {
      const now = Date.now() >>> 0;
      busy.look(candidates);
      const at = targets.find(keyHash, now);
      lookAtServers(at, candidates);
      let chosen = least;
      if (least < 0) {
        // Whoever served it before is not to be had.
        targets.set(at + SLOTS_AT, 0);
        targets.set(at + SLOTS_AT + 1, 0);
      }
      if (least < 0 || busy.isTooBusy(least)) {
        chosen = busy.least;
        if (!has(at, chosen)) targets.set(at + CHANGED_AT, now);
        put(at, chosen);
      }
      const sinceChange = (now - targets.get(at + CHANGED_AT)) >>> 0;
      if (most >= 0 && most !== chosen && sinceChange > afterMs) {
        take(at, most);
        targets.set(at + CHANGED_AT, now);
      }
      return chosen;
    };
  },
};
