/**
 * How many connections are on their way to one delivery at once. What is under way is frozen, and queues behind what came
 * before it: more at once make no delivery quicker, and each client waits longer. So the window follows how long one takes,
 * as a TCP sender's follows its round trip (additive increase, multiplicative decrease).
 */

const FIRST = 64;
const LEAST = 4;
const MOST = 1024;
/** From being frozen to the answer, milliseconds: below it there is room for more, above it there are too many. */
const SHORT_MS = 20;
const LONG_MS = 80;

export class Window {
  #size = FIRST;
  #shrunkAt = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  /** One took so long (milliseconds), with so many under way, at this time. */
  took(millis: number, underWay: number, now: number): void {
    if (millis > LONG_MS) {
      // Those that were under way together are late together: that is one reason to shrink, not many.
      if (now - this.#shrunkAt < millis) return;
      this.#shrunkAt = now;
      this.shrink();
    } else if (millis < SHORT_MS && underWay >= this.#size) {
      this.#size = Math.min(MOST, this.#size + 1);
    }
  }

  shrink(): void {
    this.#size = Math.max(LEAST, this.#size >> 1);
  }
}
