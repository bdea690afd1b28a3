/**
 * Watches over a head that says from time to time that it turns (`WATCHDOG=1`, as to systemd). The time without a word is counted in
 * parts: of the time that this process was stopped for, or the whole machine, one part counts.
 */

const PARTS = 10;

export class Vigil {
  readonly #withinMs: number;
  readonly #read: () => void;
  readonly #onSilence: () => void;
  #timer: NodeJS.Timeout | undefined;
  #silent = 0;

  /** `read`: what has been said and not heard yet. `onSilence`: nothing was, for `withinMs`; called once for each `begin`. */
  constructor(withinMs: number, read: () => void, onSilence: () => void) {
    this.#withinMs = withinMs;
    this.#read = read;
    this.#onSilence = onSilence;
  }

  begin(): void {
    this.end();
    this.#silent = 0;
    this.#timer = setInterval(() => this.#look(), this.#withinMs / PARTS);
  }

  /** A word, which is the first where none was expected. */
  heard(): void {
    if (!this.#timer) this.begin();
    this.#silent = 0;
  }

  #look(): void {
    this.#silent++;
    if (this.#silent < PARTS) return;
    this.#read();
    // Unless a word was there after all.
    if (this.#silent < PARTS) return;
    this.end();
    this.#onSilence();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
