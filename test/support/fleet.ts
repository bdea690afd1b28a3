/** Deliveries as a policy sees them. */
import { createChoose, createShared, type Shared } from '../../head/choose/index.ts';
import type { Candidates, Choose } from '../../head/choose/policy.ts';
import { createScoreboardMemory, Scoreboard, SLOTS } from '../../head/scoreboard.ts';
import { hashBytes } from '../../shared/fnv.ts';

export const hashText = (text: string): number => hashBytes(Buffer.from(text), 0, Buffer.byteLength(text));

export interface Fleet {
  readonly scoreboard: Scoreboard;
  readonly nameHash: Uint32Array;
  pick(candidates: readonly number[], key?: number): number;
}

/** A scoreboard with deliveries in slots 0, 1, ... and a policy over it. */
export function fleet(
  policy: string,
  deliveries: readonly { name?: string; weight?: number; load?: number }[],
  shared: Shared = createShared(),
): Fleet {
  const scoreboard = new Scoreboard(createScoreboardMemory(1));
  const nameHash = new Uint32Array(SLOTS);
  deliveries.forEach(({ name = 'd', weight = 1, load = 0 }, slot) => {
    scoreboard.describe(slot, { credits: 1000, weight, active: load });
    nameHash[slot] = hashText(name);
  });
  const choose: Choose = createChoose(policy, scoreboard, nameHash, shared);
  const candidates: Candidates = { slots: new Int32Array(SLOTS), count: 0 };
  return {
    scoreboard,
    nameHash,
    pick(slots, key = 0) {
      // What is beyond the count is left over from before, as in the head.
      candidates.slots.set(slots);
      candidates.count = slots.length;
      return choose(candidates, key);
    },
  };
}

export const named = (...names: string[]) => names.map((name) => ({ name }));

export function countOf<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
