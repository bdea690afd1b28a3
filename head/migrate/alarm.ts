/** Being called after a while: on a thread with an event loop, and on one that is asked what is due. */

export interface Alarm {
  /** Calls what it was made with, once, in so many milliseconds; nothing new where that is to come already. */
  set(inMs: number): void;
  clear(): void;
}

export class Timer implements Alarm {
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  set(inMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#onDue();
    }, inMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** For a loop that sleeps until what is due (`tick`). */
export class Due implements Alarm {
  readonly #onDue: () => void;
  #at = Number.POSITIVE_INFINITY;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  set(inMs: number): void {
    if (this.#at === Number.POSITIVE_INFINITY) this.#at = performance.now() + inMs;
  }

  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  /** Calls it when it is due; the milliseconds until then. */
  tick(now: number): number {
    if (this.#at <= now) {
      this.clear();
      this.#onDue();
    }
    return this.#at - now;
  }
}
