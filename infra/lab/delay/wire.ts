/**
 * One direction of a delay line: frames that entered leave in the same order, each when its time has come. Pure but for
 * the memory that frames lie in, so that it is tested without a network.
 */
import { allocate, type Memory } from '../../../shared/sys/memory.ts';

/** What a link does to what passes it, in each direction. */
export interface Link {
  /** One way, so that a round trip takes twice as long. */
  readonly delayMs?: number;
  /** Bits on the wire, counted with 24 bytes a frame that the card adds (IEEE 802.3: preamble, checksum, gap). */
  readonly rateMbit?: number;
  /** The share of the frames that is lost, at random. */
  readonly lossPercent?: number;
}

/** Where a wire finds what its link does at this moment: three 64-bit floats, 0 for what it does not do. */
export const LINK_BYTES = 24;
export const encodeLink = ({ delayMs = 0, rateMbit = 0, lossPercent = 0 }: Link): Float64Array =>
  Float64Array.of(delayMs, rateMbit, lossPercent);

/** The largest frame: an MTU of 1500 with Ethernet's header and a VLAN tag. */
export const FRAME_MAX = 2048;
/** Frames under way at once: 3 s of 5,000 a second, 200 ms of full frames at 1 Gbit/s. */
const DEFAULT_SLOTS = 16_384;
/** A queue before a slow link is this long at most; what would wait longer is dropped, as routers do. */
const QUEUE_MICROS = 100_000;
const FRAMING_BYTES = 24;

export interface Wire {
  readonly memory: Memory;
  /** Where the next frame may be put; -1: no room. */
  readonly entry: number;
  /** Takes the frame of `length` bytes at `entry`, at this moment. False when it was lost or dropped. */
  enter(length: number, nowMicros: number): boolean;
  /** When the first frame leaves; Infinity when there is none. */
  readonly nextMicros: number;
  /** The first frame. */
  readonly exit: number;
  readonly exitLength: number;
  /** Forgets the first frame, which has left. */
  leave(): void;
}

/** `link` may change at any time, and counts for frames that enter from then on. `seed` decides which are lost. */
export function createWire(link: Float64Array, seed: number, slots: number = DEFAULT_SLOTS): Wire {
  const memory = allocate(slots * FRAME_MAX);
  const due = new Float64Array(slots);
  const lengths = new Uint32Array(slots);
  const random = xorshift(seed);
  let first = 0;
  let count = 0;
  /** When the link has sent what it has taken so far. */
  let sentMicros = 0;
  let lastDue = 0;

  return {
    memory,
    get entry() {
      return count === slots ? -1 : ((first + count) % slots) * FRAME_MAX;
    },
    enter(length, nowMicros) {
      const [delayMs, rateMbit, lossPercent] = link as unknown as [number, number, number];
      if (lossPercent > 0 && random() * 100 < lossPercent) return false;
      if (sentMicros < nowMicros) sentMicros = nowMicros;
      if (rateMbit > 0) {
        if (sentMicros - nowMicros > QUEUE_MICROS) return false;
        sentMicros += ((length + FRAMING_BYTES) * 8) / rateMbit;
      }
      const slot = (first + count) % slots;
      // A delay that has become shorter must not let a frame overtake another.
      lastDue = Math.max(lastDue, sentMicros + delayMs * 1000);
      due[slot] = lastDue;
      lengths[slot] = length;
      count++;
      return true;
    },
    get nextMicros() {
      return count === 0 ? Number.POSITIVE_INFINITY : due[first]!;
    },
    get exit() {
      return first * FRAME_MAX;
    },
    get exitLength() {
      return lengths[first]!;
    },
    leave() {
      first = (first + 1) % slots;
      count--;
    },
  };
}

/** Marsaglia's xorshift32: numbers in [0, 1), the same for the same seed. */
function xorshift(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
