/**
 * What a policy remembers of the targets that are asked for, in memory that all workers share: of 65,536 at most, and of those
 * the ones that were asked for last. A target has a place in one of eight entries, and takes that of the one of these
 * eight that was asked for least recently: nearly what a list of all would forget first, without a list.
 *
 * Workers read and write it beside each other and wait for nobody. What one may lose by that is where a target was to be
 * found, as if it had been forgotten; what it reads is a number that it has to check in any case, for deliveries go.
 */

const WAYS = 8;
const SETS = 8192;
/** In words of an entry: the target, when it was asked for (milliseconds modulo 2^32), then what is remembered. */
const TARGET = 0;
const ASKED = 1;
const HEADER = 2;

/** For `words` numbers of 32 bits that are remembered of each target. */
export const targetBytes = (words: number): number => 4 * WAYS * SETS * (HEADER + words);

export class Targets {
  readonly #memory: Uint32Array;
  readonly #stride: number;

  constructor(shared: SharedArrayBuffer, words: number) {
    this.#memory = new Uint32Array(shared);
    this.#stride = HEADER + words;
  }

  /** The place of what is remembered of it: zeros where that is nothing. `now`: milliseconds, an unsigned number of 32 bits. */
  find(keyHash: number, now: number): number {
    const memory = this.#memory;
    const stride = this.#stride;
    // 0 is an entry that nobody has.
    const target = keyHash === 0 ? 1 : keyHash;
    const first = (Math.imul(target, 0x9e3779b1) >>> 19) * WAYS * stride;
    let oldest = first;
    let age = -1;
    for (let way = 0, at = first; way < WAYS; way++, at += stride) {
      if (memory[at] === target) {
        memory[at + ASKED] = now;
        return at + HEADER;
      }
      const itsAge = memory[at] === 0 ? Number.POSITIVE_INFINITY : (now - memory[at + ASKED]!) >>> 0;
      if (itsAge <= age) continue;
      age = itsAge;
      oldest = at;
    }
    memory.fill(0, oldest, oldest + stride);
    memory[oldest + TARGET] = target;
    memory[oldest + ASKED] = now;
    return oldest + HEADER;
  }

  get(at: number): number {
    return this.#memory[at]!;
  }

  set(at: number, value: number): void {
    this.#memory[at] = value;
  }
}
