/** When a head that has died is started again: at once, then later and later, and at last not any more. */

const FIRST_MS = 100;
const LONGEST_MS = 5000;
/** One that has run for so long, milliseconds, was well: the next one is started at once. */
const WELL_AFTER_MS = 10_000;
/** So many in a row that never were ready: the next one would not be either, and clients had better be refused than wait. */
const STARTS_MAX = 10;

export class Patience {
  #inARow = 0;
  #neverReady = 0;

  /** `readyForMs`: for how long the head that has died was ready; undefined: it never was. When to start the next; undefined: never. */
  next(readyForMs: number | undefined): number | undefined {
    this.#neverReady = readyForMs === undefined ? this.#neverReady + 1 : 0;
    if (this.#neverReady >= STARTS_MAX) return undefined;
    if (readyForMs !== undefined && readyForMs >= WELL_AFTER_MS) this.#inARow = 0;
    const waitMs = this.#inARow === 0 ? 0 : Math.min(FIRST_MS * 2 ** (this.#inARow - 1), LONGEST_MS);
    this.#inARow++;
    return waitMs;
  }
}
