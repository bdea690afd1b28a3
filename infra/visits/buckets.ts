/** Durations in steps that the eye can tell apart on a logarithmic scale: six to a doubling, from 64 us on. */
const LEAST_MICROS = 64;
const PER_DOUBLING = 6;
/** The last one has all that is longer: 64 us * 2^20 is 67 s. */
const BUCKETS = 20 * PER_DOUBLING + 1;

export function bucketOf(micros: number): number {
  if (micros <= LEAST_MICROS) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(PER_DOUBLING * Math.log2(micros / LEAST_MICROS)));
}

/** The longest duration in it, microseconds. */
export const bucketEnd = (bucket: number): number => LEAST_MICROS * 2 ** (bucket / PER_DOUBLING);
