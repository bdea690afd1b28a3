/**
 * Reading request heads: from a connection's first byte to the moment when its mode acts, or when it is clear that
 * there will be no request.
 */
import { EAGAIN, EINTR } from '../shared/sys/libc.ts';
import type { Memory } from '../shared/sys/memory.ts';
import { peek, receive } from '../shared/sys/sockets.ts';
import type { ErrorAnswer } from './answers.ts';
import type { InspectionFailure } from './board.ts';
import type { Connections } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import { Fifo } from './fifo.ts';
import * as inspection from './inspect.ts';
import { modeHandlers } from './modes/index.ts';

const failures: Record<number, readonly [InspectionFailure, ErrorAnswer | undefined]> = {
  [inspection.NOT_HTTP]: ['not_http', 'badRequest'],
  [inspection.TOO_LARGE]: ['head_too_large', 'headTooLarge'],
  // Neither client would understand a plain answer.
  [inspection.TLS]: ['tls', undefined],
  [inspection.HTTP2]: ['http2', undefined],
};

export interface ReaderParts {
  readonly connections: Connections;
  readonly desk: WorkerDesk;
  /** Where a head is inspected, and where the desk finds it: as long as the longest head. */
  readonly scratch: Memory;
  readonly timeoutMs: number;
}

export class RequestReader {
  readonly #connections: Connections;
  readonly #desk: WorkerDesk;
  readonly #scratch: Memory;
  readonly #limit: number;
  readonly #timeoutMs: number;
  readonly #waiting: Fifo;
  /** What was read of heads that came in pieces, where the mode reads instead of peeking. */
  readonly #pieces = new Map<number, Buffer>();

  constructor({ connections, desk, scratch, timeoutMs }: ReaderParts) {
    this.#connections = connections;
    this.#desk = desk;
    this.#scratch = scratch;
    this.#limit = scratch.bytes.length;
    this.#timeoutMs = timeoutMs;
    this.#waiting = new Fifo(connections.links);
  }

  /** A connection that was just accepted. */
  begin(fd: number): void {
    this.#advance(fd, false, true);
  }

  /** There is more of it, or (`ended`) the client has sent all that it will. */
  more(fd: number, ended: boolean): void {
    this.#advance(fd, ended, false);
  }

  /** It broke before its request was complete. */
  broke(fd: number): void {
    this.#leave(fd);
    this.#desk.abandon(fd, 'client_gone');
  }

  /** Reads what there is of a head and, when that decides it, acts. `isNew`: it is not in the queue yet. */
  #advance(fd: number, ended: boolean, isNew: boolean): void {
    const handler = modeHandlers[this.#connections.mode[fd]!]!;
    let have = 0;
    let n: number;
    if (handler.consumes) {
      const piece = this.#pieces.get(fd);
      if (piece) have = piece.copy(this.#scratch.bytes);
      n = receive(fd, this.#scratch, have, this.#limit - have);
    } else {
      n = peek(fd, this.#scratch, 0, this.#limit);
    }
    if (n === EAGAIN || n === EINTR) {
      if (isNew) this.#wait(fd);
      return;
    }
    const length = have + Math.max(n, 0);
    if (n < 0 || length === 0) {
      if (!isNew) this.#leave(fd);
      return this.#desk.abandon(fd, 'client_gone');
    }
    const verdict = inspection.inspect(this.#scratch.bytes, length, this.#limit);
    if (verdict === inspection.INCOMPLETE && !ended && n > 0) {
      if (handler.consumes) this.#pieces.set(fd, Buffer.from(this.#scratch.bytes.subarray(0, length)));
      if (isNew) this.#wait(fd);
      return;
    }
    if (!isNew) this.#leave(fd);
    if (verdict === inspection.COMPLETE) return handler.act(this.#desk, fd);
    const [failure, answer] = failures[verdict] ?? ['incomplete', 'badRequest'];
    this.#desk.fail(fd, failure, answer);
  }

  #wait(fd: number): void {
    this.#waiting.join(fd, this.#desk.now);
    this.#connections.watchInput(fd);
  }

  #leave(fd: number): void {
    this.#waiting.leave(fd);
    this.#pieces.delete(fd);
  }

  /** Inspects once more a request that was complete and is still in its socket; false when its client has gone. */
  again(fd: number): boolean {
    const n = peek(fd, this.#scratch, 0, this.#limit);
    return n > 0 && inspection.inspect(this.#scratch.bytes, n, this.#limit) === inspection.COMPLETE;
  }

  /** Ends those that have had their time; the milliseconds until the next has. */
  tick(now: number): number {
    while (this.#waiting.oldestSince + this.#timeoutMs <= now) this.#failOldest('too_slow');
    return this.#waiting.oldestSince + this.#timeoutMs - now;
  }

  /** Gives up on the one that has waited longest; false when there is none. */
  evict(): boolean {
    if (this.#waiting.size === 0) return false;
    this.#failOldest('crowded');
    return true;
  }

  #failOldest(failure: InspectionFailure): void {
    const fd = this.#waiting.oldest;
    this.#leave(fd);
    this.#desk.fail(fd, failure, 'timeout');
  }

  /** Closes all that wait. */
  close(): void {
    while (this.#waiting.oldest >= 0) {
      const fd = this.#waiting.oldest;
      this.#leave(fd);
      this.#desk.abandon(fd, 'stopped');
    }
  }
}
