/**
 * When a head begins to accept visitors: with its first delivery, or without any after a while, in which who comes waits in the
 * accept queue. One that takes over begins with the deliveries of its predecessor (take-over/expected.ts).
 */
import type { HeadSettings } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import { Expected } from './take-over/expected.ts';
import type { Handed } from './take-over/successor.ts';

/** Of the time for the first delivery. */
const WAITING_PARTS = 10;

export class Opening {
  readonly #accept: () => void;
  readonly #log: Logger;
  #isOver = false;
  #waiting: NodeJS.Timeout | undefined;
  #expected: Expected | undefined;
  /** When all was handed over to this head. */
  #handedAt = 0;

  /** Calls `accept` once. */
  constructor(accept: () => void, log: Logger) {
    this.#accept = accept;
    this.#log = log;
  }

  /** A predecessor has handed over. */
  expect({ deliveries }: Handed, settings: HeadSettings): void {
    this.#handedAt = performance.now();
    this.#expected = Expected.of(deliveries, settings, () => this.#begin());
  }

  /**
   * Nobody has handed over. In parts, since a process that was stopped finds its timers due before it hears who has come
   * meanwhile: of the time that it was stopped for, one part counts.
   */
  waitForFirst(withinMs: number): void {
    if (this.#isOver || this.#expected) return;
    let left = WAITING_PARTS;
    this.#waiting = setInterval(() => --left === 0 && this.#begin(), withinMs / WAITING_PARTS);
  }

  /** Deliveries are up: those of these names. */
  up(names: readonly string[]): void {
    if (this.#expected) this.#expected.up(names);
    else this.#begin();
  }

  #begin(): void {
    if (this.#isOver) return;
    this.close();
    this.#accept();
    if (!this.#expected) return;
    const waitedMs = Math.round(performance.now() - this.#handedAt);
    this.#log.info({ waitedMs }, 'visitors are accepted again');
  }

  /** The head ends: it accepts nobody whom it does not accept already. */
  close(): void {
    this.#isOver = true;
    clearInterval(this.#waiting);
    this.#expected?.close();
  }
}
