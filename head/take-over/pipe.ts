/** One end of the socket between a head and its successor: messages with fds, one after the other, each awaited for a bounded time. */

import { socketCookie } from '../../shared/sys/cookie.ts';
import { isHungUp } from '../../shared/sys/input-state.ts';
import { EAGAIN, ECONNRESET, EINTR, errnoName } from '../../shared/sys/libc.ts';
import { createFdMessenger, type FdMessenger } from '../../shared/sys/pass-fds.ts';
import { watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd, endReading } from '../../shared/sys/sockets.ts';
import { trace } from '../../shared/trace.ts';
import {
  encodeTakeOver,
  type FromPredecessor,
  type FromSuccessor,
  TAKE_OVER_MESSAGE_MAX,
} from '../../shared/wire/take-over.ts';
import { failure } from './faults.ts';

/** While the other side has no room, how long until sending is tried again, milliseconds. */
const AGAIN_MS = 1;

/** An end of which nothing is read any more is always readable, so that its other end's is not heard of: it is looked for. */
const LOOK_EVERY_MS = 5;

/** What a trace calls the take-over: by the successor's end, which both have had. */
export const nameOfTakeOver = (successorsEnd: number): string =>
  trace ? `t${socketCookie(successorsEnd)}` : '';

export interface Heard<In> {
  readonly message: In;
  /** The receiver's. */
  readonly fds: readonly number[];
}

export class Pipe<In> {
  readonly #fd: number;
  readonly #who: string;
  readonly #decode: (bytes: Uint8Array) => In;
  readonly #messenger: FdMessenger = createFdMessenger(TAKE_OVER_MESSAGE_MAX + 1);
  #open = true;
  #isGone = false;
  #cancelled: Error | undefined;
  #cancel: ((error?: Error) => void) | undefined;

  /** What a trace calls the take-over; of the successor's end. */
  get name(): string {
    return nameOfTakeOver(this.#fd);
  }

  /** Takes over the fd, which is non-blocking. `who` is at the other end. */
  constructor(fd: number, who: string, decode: (bytes: Uint8Array) => In) {
    this.#fd = fd;
    this.#who = who;
    this.#decode = decode;
  }

  /** The fds go as copies. Throws TAKE_OVER_FAILED when the other side has gone, or takes nothing until `deadline`. */
  async send(
    message: FromPredecessor | FromSuccessor,
    deadline: number,
    fds: readonly number[] = [],
  ): Promise<void> {
    const bytes = encodeTakeOver(message);
    if (bytes.length > TAKE_OVER_MESSAGE_MAX) throw failure(`a message of ${bytes.length} bytes`);
    while (this.#open) {
      this.#messenger.bytes.set(bytes);
      this.#messenger.fds.set(fds);
      const n = this.#messenger.send(this.#fd, bytes.length, fds.length);
      if (n >= 0) return;
      // No room, or too many fds on their way (ENOBUFS, ETOOMANYREFS).
      const code = errnoName(n);
      if (code === 'EPIPE' || code === 'ECONNRESET') throw this.#gone();
      if (performance.now() > deadline) throw failure(`the ${this.#who} takes nothing (${code})`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    throw failure('it was given up');
  }

  /** The other side hears nothing any more, and has ended or will. */
  get isGone(): boolean {
    return this.#isGone;
  }

  #gone(): Error {
    this.#isGone = true;
    return failure(`the ${this.#who} went away`);
  }

  /** Whoever awaits a message, or is about to, gets this error instead. */
  cancel(problem: string): void {
    this.#cancelled = failure(problem);
    this.#cancel?.(this.#cancelled);
  }

  /** The next message. Throws TAKE_OVER_FAILED when there is none until `deadline`, or it is none of those that may come. */
  async next(deadline: number): Promise<Heard<In>> {
    for (;;) {
      const heard = this.#receive();
      if (heard) return heard;
      if (this.#cancelled) throw this.#cancelled;
      await this.#readable(deadline);
    }
  }

  /** Resolves with `work`; before it, when the next message, or the other side's end, is there to be read, or at `deadline`. */
  async whileSilent(work: Promise<unknown>, deadline: number): Promise<void> {
    const readable = this.#readable(deadline).catch(() => {});
    await Promise.race([work, readable]);
    // One at a time may watch the socket.
    this.#cancel?.();
  }

  /** What has come; undefined when nothing has. */
  #receive(): Heard<In> | undefined {
    if (!this.#open) throw failure('it was given up');
    let n = this.#messenger.receive(this.#fd);
    // It ended with something unread, which is told before what it had said itself.
    if (n === ECONNRESET) n = this.#messenger.receive(this.#fd);
    if (n === EAGAIN || n === EINTR) return undefined;
    if (n <= 0) throw this.#gone();
    const fds = [...this.#messenger.fds.subarray(0, this.#messenger.received)];
    try {
      if (this.#messenger.truncated) throw failure('the limit on open files leaves no room for its sockets');
      if (n > TAKE_OVER_MESSAGE_MAX) throw failure(`the ${this.#who} sent too long a message`);
      return { message: this.#decode(this.#messenger.bytes.subarray(0, n)), fds };
    } catch (error) {
      fds.forEach(closeFd);
      throw error;
    }
  }

  #readable(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        ready.close();
        this.#cancel = undefined;
        if (error) reject(error);
        else resolve();
      };
      const late = () => settle(failure(`the ${this.#who} did not answer in time`));
      const timer = setTimeout(late, Math.max(0, deadline - performance.now()));
      const ready = watchReadable(this.#fd, () => settle());
      this.#cancel = settle;
    });
  }

  /**
   * From here on what the other side says fails there (EPIPE). Gives what it had said in time, as `next`: so that both know the
   * same of what was the last word.
   */
  refuseMore(): Heard<In> | undefined {
    if (!this.#open) return undefined;
    endReading(this.#fd);
    const wasGone = this.#isGone;
    try {
      return this.#receive();
    } catch {
      // That nothing more is to be read here says nothing of the other side.
      this.#isGone = wasGone;
      return undefined;
    }
  }

  /** The other side lets go of its end, whatever it is told: false when it has not in time. What it says is not read. */
  async untilClosed(withinMs: number): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (!this.#isGone && !isHungUp(this.#fd)) {
      if (performance.now() > deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return true;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeFd(this.#fd);
  }
}
