/** Flows whose delivery's kernel is done with them: they are forgotten when late packets of theirs can no longer come. */
import type { Flow } from './flow-book.ts';

/** A client's last packets are on their way for less than this long, milliseconds, on any path that can be used. */
const LATE_PACKETS_MS = 1000;

export class Ending {
  readonly #forget: (flow: Flow) => void;
  /** In the order in which they end. */
  readonly #all: { readonly flow: Flow; readonly at: number }[] = [];
  #hurries = false;

  constructor(forget: (flow: Flow) => void) {
    this.#forget = forget;
  }

  get flows(): ReadonlySet<Flow> {
    return new Set(this.#all.map(({ flow }) => flow));
  }

  add(flow: Flow): void {
    if (this.#hurries) this.#forget(flow);
    else this.#all.push({ flow, at: performance.now() + LATE_PACKETS_MS });
  }

  /** A successor is about to read the table: what is over goes at once, from here on; or later again. */
  hurry(on: boolean): void {
    this.#hurries = on;
    if (on) this.forget(Number.POSITIVE_INFINITY);
  }

  /** Those whose time has come. Milliseconds of performance.now(). */
  forget(now: number): void {
    while (this.#all.length > 0 && this.#all[0]!.at <= now) this.#forget(this.#all.shift()!.flow);
  }
}
