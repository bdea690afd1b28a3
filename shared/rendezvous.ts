/** Who can be chosen: the first `count` of `slots`. */
interface Slots {
  readonly slots: Int32Array;
  readonly count: number;
}

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): the candidate whose name scores highest together with the key.
 * The same key finds the same delivery on every worker and after every restart, and when a delivery leaves only its
 * own keys move.
 */
export function rendezvous({ slots, count }: Slots, nameHash: Uint32Array, key: number): number {
  let best = slots[0]!;
  let highest = -1;
  for (let i = 0; i < count; i++) {
    const slot = slots[i]!;
    const score = mix(nameHash[slot]! ^ key);
    if (score > highest) {
      highest = score;
      best = slot;
    }
  }
  return best;
}

/** The finalizer of MurmurHash3: every bit of the input changes half of the output's. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
