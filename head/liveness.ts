/**
 * Is a delivery dead, or only busy? One whose requests keep its event loop from turning for seconds answers no ping, and
 * works all the same: to drop it would throw its queue upon the others, who are dropped next. So what counts is silence of
 * the process: for the stall timeout it has neither said a word, nor taken or returned a connection, nor used the CPU. That is
 * how a stopped, a frozen or a dead one looks. One that only computes is given up in the end, unless it is the last.
 */
import { processTime } from '../shared/sys/process-time.ts';

/** One that computes and does not say a word for so many stall timeouts is in an endless loop. */
export const BUSY_STALLS = 15;

export interface Signs {
  /** Milliseconds, as all times here. */
  readonly now: number;
  readonly lastHeard: number;
  /** A count of connections that it has taken or returned. */
  readonly progress: number;
  /** A worker says that it has left a connection untaken for the stall timeout. */
  readonly leavesUntaken: boolean;
  /** There is no other that could do its work. */
  readonly isLast: boolean;
}

export class Liveness {
  readonly #process: number;
  readonly #times: { readonly stallTimeoutMs: number };
  #lastLook: number;
  #lastSign: number;
  #lastProgress: number;
  #progress = 0;
  /** CPU time at the last look, in ticks; -1 when it was not looked at, because it was heard. */
  #ticks = -1;

  /** `process`: its pid, 0 where that is not known (another host, another pid namespace). */
  constructor(process: number, times: { readonly stallTimeoutMs: number }, now: number) {
    this.#process = process;
    this.#times = times;
    this.#lastLook = now;
    this.#lastSign = now;
    this.#lastProgress = now;
  }

  /** Why it is to be dropped; undefined while it is not. To be asked several times in a stall timeout. */
  judge({ now, lastHeard, progress, leavesUntaken, isLast }: Signs): string | undefined {
    const stallMs = this.#times.stallTimeoutMs;
    if (progress !== this.#progress) {
      this.#progress = progress;
      this.#lastProgress = now;
    }
    const lastWord = Math.max(lastHeard, this.#lastProgress);
    if (now - lastWord < stallMs / 4) this.#ticks = -1;
    else if (this.#isComputing()) this.#lastSign = now;
    // Nobody looked for a while: it was this process that was stopped.
    if (now - this.#lastLook > stallMs / 2) this.#lastSign = now;
    this.#lastLook = now;
    this.#lastSign = Math.max(this.#lastSign, lastWord);

    if (now - this.#lastSign >= stallMs) return 'it did not answer a ping in time';
    if (!isLast && now - lastWord >= BUSY_STALLS * stallMs) return 'it was busy for too long';
    // Its event loop turns, so it could have taken what was sent.
    const patience = isLast ? BUSY_STALLS * stallMs : stallMs;
    if (leavesUntaken && now - lastHeard < stallMs / 2 && now - this.#lastProgress >= patience) {
      return 'it left a connection untaken for too long';
    }
    return undefined;
  }

  #isComputing(): boolean {
    const time = this.#process > 0 ? processTime(this.#process) : undefined;
    if (!time) return false;
    const before = this.#ticks;
    this.#ticks = time.ticks;
    return time.isRunning || (before >= 0 && time.ticks > before);
  }
}
