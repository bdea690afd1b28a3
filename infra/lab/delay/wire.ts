/**
 * One direction of a delay line: frames that entered leave in the same order, each when its time has come. Pure but for
 * the memory that frames lie in, so that it is tested without a network.
 */
import { allocate, type Memory } from '../../../shared/sys/memory.ts';

/** What a link does to what passes it, in each direction. */
export interface Link {
  /** One way, so that a round trip takes twice as long. */
  readonly delayMs?: number;
  /** What the delay of a frame is longer or shorter by at most, at random; none overtakes another for it. */
  readonly jitterMs?: number;
  /** Bits on the wire, counted with 24 bytes a frame that the card adds (IEEE 802.3: preamble, checksum, gap). */
  readonly rateMbit?: number;
  /** The share of the frames that is lost, at random. */
  readonly lossPercent?: number;
  /** The share that comes twice, at random. */
  readonly duplicatePercent?: number;
  /** The share that overtakes the frame before it, at random, where that is still under way. */
  readonly reorderPercent?: number;
}

/** A link, both ways alike; or one that does something else to what leaves its host than to what comes there. */
export type Cable = Link | { readonly out: Link; readonly in: Link };

export const directionsOf = (cable: Cable): { readonly out: Link; readonly in: Link } =>
  'out' in cable ? cable : { out: cable, in: cable };

/** Where a wire finds what its link does at this moment: six 64-bit floats, 0 for what it does not do. */
export const LINK_BYTES = 48;
export const encodeLink = (link: Link): Float64Array => {
  const { delayMs = 0, rateMbit = 0, lossPercent = 0, duplicatePercent = 0, reorderPercent = 0 } = link;
  return Float64Array.of(
    delayMs,
    rateMbit,
    lossPercent,
    duplicatePercent,
    reorderPercent,
    link.jitterMs ?? 0,
  );
};

/** Both directions, one after the other: what comes to the host, and what leaves it. */
export const encodeCable = (cable: Cable): Float64Array => {
  const directions = directionsOf(cable);
  return Float64Array.of(...encodeLink(directions.in), ...encodeLink(directions.out));
};

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
  /** Where in the memory a slot's frame is: those that overtake others change places. */
  const places = Uint32Array.from({ length: slots }, (_, slot) => slot);
  const random = xorshift(seed);
  let first = 0;
  let count = 0;
  /** When the link has sent what it has taken so far. */
  let sentMicros = 0;
  let lastDue = 0;

  const slotAt = (index: number) => (first + index) % slots;
  const chance = (percent: number) => percent > 0 && random() * 100 < percent;

  function add(length: number): void {
    const slot = slotAt(count);
    due[slot] = lastDue;
    lengths[slot] = length;
    count++;
  }

  function overtake(): void {
    const [one, other] = [slotAt(count - 1), slotAt(count - 2)];
    [places[one], places[other]] = [places[other]!, places[one]!];
    [lengths[one], lengths[other]] = [lengths[other]!, lengths[one]!];
  }

  return {
    memory,
    get entry() {
      return count === slots ? -1 : places[slotAt(count)]! * FRAME_MAX;
    },
    enter(length, nowMicros) {
      const [delayMs, rateMbit, lossPercent, duplicatePercent, reorderPercent, jitterMs] =
        link as unknown as [...[number, number, number, number, number, number]];
      if (chance(lossPercent)) return false;
      if (sentMicros < nowMicros) sentMicros = nowMicros;
      if (rateMbit > 0) {
        if (sentMicros - nowMicros > QUEUE_MICROS) return false;
        sentMicros += ((length + FRAMING_BYTES) * 8) / rateMbit;
      }
      // A delay that has become shorter must not let a frame overtake another.
      const jitter = jitterMs > 0 ? (2 * random() - 1) * jitterMs : 0;
      lastDue = Math.max(lastDue, sentMicros + Math.max(0, delayMs + jitter) * 1000);
      const place = places[slotAt(count)]!;
      add(length);
      if (count < slots && chance(duplicatePercent)) {
        const copy = places[slotAt(count)]!;
        memory.bytes.copyWithin(copy * FRAME_MAX, place * FRAME_MAX, place * FRAME_MAX + length);
        add(length);
      } else if (count > 1 && chance(reorderPercent)) overtake();
      return true;
    },
    get nextMicros() {
      return count === 0 ? Number.POSITIVE_INFINITY : due[first]!;
    },
    get exit() {
      return places[first]! * FRAME_MAX;
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
