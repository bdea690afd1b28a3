/** Beats at a steady pace; one can be brought forward, and the pace goes on from there. */
export class Beat {
  readonly #everyMs: number;
  readonly #soonMs: number;
  #next = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #beat: (() => void) | undefined;

  constructor(everyMs: number, soonMs: number) {
    this.#everyMs = everyMs;
    this.#soonMs = soonMs;
  }

  /** Resolves at the next one. A machine that slept has missed those of that time. */
  async next(): Promise<void> {
    this.#next = Math.max(this.#next + this.#everyMs, performance.now());
    await new Promise<void>((resolve) => {
      this.#beat = resolve;
      this.#wait();
    });
  }

  /** The next one is no later than so long from now. */
  hurry(withinMs = this.#soonMs): void {
    this.#next = Math.min(this.#next, performance.now() + withinMs);
    if (this.#beat) this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#beat?.();
        this.#beat = undefined;
      },
      Math.max(0, this.#next - performance.now()),
    );
  }
}
