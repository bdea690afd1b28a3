import { now } from './clients.ts';

/** What a visitor waits by itself: between two things that it asks, and when all is answered. Moments are of now(). */
export class Pauses {
  /** Of all that are over, microseconds. */
  total = 0;
  /** When the one began that goes on; undefined for none. */
  since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  get on(): boolean {
    return this.since !== undefined;
  }

  /** `at`: from when on it is one; `micros`: for how long from now; `counts`: in the total. */
  begin(at: number, micros: number, counts: boolean, go: () => void): void {
    this.since = at;
    this.#timer = setTimeout(() => {
      this.end(counts ? now() : at);
      go();
    }, micros / 1000);
  }

  /** Without a moment it is as if it had not been. */
  end(at = this.since ?? 0): void {
    if (this.since === undefined) return;
    clearTimeout(this.#timer);
    this.total += at - this.since;
    this.since = undefined;
  }
}
