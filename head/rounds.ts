/** What the registry does from time to time: it pings the deliveries, and forgets those that have been gone for long. */

/** Milliseconds. */
export interface RegistryTimes {
  readonly stallTimeoutMs: number;
  /** A delivery that has gone is known for so long. */
  readonly forgetAfterMs: number;
}

export interface RoundsParts {
  readonly times: RegistryTimes;
  readonly ping: () => void;
  /** Forgets those that have gone before, milliseconds of performance.now(). */
  readonly forget: (before: number) => void;
  /** It was this process that was stopped: what deliveries said meanwhile is not read yet. */
  readonly stoodStill: () => void;
}

/** How often those that have been gone for long enough are looked for, milliseconds. */
const FORGET_EVERY_MS = 1000;

export class Rounds {
  readonly #parts: RoundsParts;
  /** What reads them has this object: they change in it. */
  readonly #times: { -readonly [key in keyof RegistryTimes]: number };
  #pings: NodeJS.Timeout | undefined;
  #forgetting: NodeJS.Timeout | undefined;
  #lastPing = performance.now();

  constructor(parts: RoundsParts) {
    this.#parts = parts;
    this.#times = { ...parts.times };
    this.#schedule();
  }

  /** As they are now, whenever they are read. */
  get times(): RegistryTimes {
    return this.#times;
  }

  get pingEveryMs(): number {
    return this.#times.stallTimeoutMs / 4;
  }

  setTimes(times: RegistryTimes): void {
    Object.assign(this.#times, times);
    this.#schedule();
  }

  #schedule(): void {
    const { forgetAfterMs } = this.#times;
    this.close();
    this.#pings = setInterval(() => this.#ping(), this.pingEveryMs);
    const forget = () => this.#parts.forget(performance.now() - this.#times.forgetAfterMs);
    this.#forgetting = setInterval(forget, Math.min(forgetAfterMs, FORGET_EVERY_MS)).unref();
  }

  #ping(): void {
    const now = performance.now();
    if (now - this.#lastPing > this.#times.stallTimeoutMs / 2) this.#parts.stoodStill();
    this.#lastPing = now;
    this.#parts.ping();
  }

  close(): void {
    clearInterval(this.#pings);
    clearInterval(this.#forgetting);
  }
}
