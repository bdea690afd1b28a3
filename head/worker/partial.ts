/**
 * First bytes of which a part has come: what is known of them, and what their socket is told meanwhile. Where it is known how
 * many are missing (of TLS) the kernel says nothing before they are there. What a look finds is inspected from where the last
 * one stopped (`mayDecide`).
 */
import { letReceiveBufferGrow, setReceiveLowWater } from '../../shared/sys/sockets.ts';
import type { Found } from '../found.ts';
import { HTTP, type Voice } from '../refusals.ts';
import { mayDecide } from './inspect/http.ts';

export class Partial implements Voice {
  readonly fd: number;
  /** Bytes of it that were looked at. */
  have = 0;
  /** What the last inspection has found, as `Found` has it. */
  speaks = HTTP;
  isHead = false;
  readonly stream = 0;
  isEnough = false;
  /** The request line is among them. */
  #lineIsWhole = false;
  #needed = 0;
  /** Looks that found more. */
  looks = 0;
  /** epoll reports what comes. */
  isWatched = true;
  /** It was watched anew, and epoll will report what was there already. */
  isEcho = false;
  /** It waits for a pause to end (pacing.ts). */
  isPausing = false;
  /** Looks since it last grew, when a pause had ended. */
  idleLooks = 0;
  /** No longer partial, or no longer there. */
  isOver = false;
  #holdsBuffer = false;
  #isLow = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** An inspection was not enough. */
  keep(found: Found): void {
    this.speaks = found.speaks;
    this.isHead = found.isHead;
    this.isEnough = found.isEnough;
    this.#lineIsWhole = found.lineEnd > 0;
    this.#needed = found.needed;
    if (found.needed === 0) return;
    this.#isLow = true;
    setReceiveLowWater(this.fd, found.needed);
  }

  /** Whether `length` bytes may give another verdict than those that it has. */
  mayDecide(bytes: Uint8Array, length: number): boolean {
    if (this.#needed > 0) return length >= this.#needed;
    return mayDecide(bytes, this.have, length, this.#lineIsWhole);
  }

  /** What stays in its socket is to be looked at cheaply, however many packets it comes in: until `end`. */
  holdBuffer(): void {
    if (this.#holdsBuffer) return;
    this.#holdsBuffer = true;
    letReceiveBufferGrow(this.fd, false);
  }

  /** It is no longer partial, or no longer there. */
  end(): void {
    this.isOver = true;
    if (this.#holdsBuffer) letReceiveBufferGrow(this.fd, true);
    if (this.#isLow) setReceiveLowWater(this.fd, 1);
  }
}
