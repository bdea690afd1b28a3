/** The time of a wake-up, the same for all that happens in it. */
export interface Clock {
  /** Milliseconds of performance.now(). */
  now: number;
}
