/**
 * Reading request heads: from a connection's first byte to the moment when its mode acts, or when it is clear that
 * there will be no request.
 */
import type { Calls, Ticket } from '../shared/sys/calls.ts';
import { EAGAIN, EINTR } from '../shared/sys/libc.ts';
import { allocate, type Memory } from '../shared/sys/memory.ts';
import { peek } from '../shared/sys/sockets.ts';
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
  readonly calls: Calls;
  /** The longest head, bytes. */
  readonly headBytes: number;
  readonly timeoutMs: number;
}

/** Reads made together. */
const READS = 64;

/** A connection whose head is being read: how, and into which memory. */
interface Look {
  fd: number;
  /** The client has sent all that it will. */
  ended: boolean;
  /** It is not in the queue yet. */
  isNew: boolean;
  /** Bytes that earlier pieces gave. */
  have: number;
  ticket: Ticket;
  readonly memory: Memory;
}

export class RequestReader {
  readonly #connections: Connections;
  readonly #desk: WorkerDesk;
  readonly #calls: Calls;
  readonly #limit: number;
  readonly #timeoutMs: number;
  readonly #waiting: Fifo;
  /** What was read of heads that came in pieces, where the mode reads instead of peeking. */
  readonly #pieces = new Map<number, Buffer>();
  readonly #looks: readonly Look[];
  readonly #again: Memory;
  #count = 0;

  constructor({ connections, desk, calls, headBytes, timeoutMs }: ReaderParts) {
    this.#connections = connections;
    this.#desk = desk;
    this.#calls = calls;
    this.#limit = headBytes;
    this.#timeoutMs = timeoutMs;
    this.#waiting = new Fifo(connections.links);
    this.#again = allocate(headBytes);
    this.#looks = Array.from({ length: READS }, () => {
      // Most heads are short: of each memory the kernel provides only the pages that are ever written to.
      return { fd: -1, ended: false, isNew: false, have: 0, ticket: 0, memory: allocate(headBytes) };
    });
  }

  /** A connection that was just accepted. What it leads to comes with `flush`, or before. */
  begin(fd: number): void {
    this.#look(fd, false, true);
  }

  /** There is more of it, or (`ended`) the client has sent all that it will. */
  more(fd: number, ended: boolean): void {
    this.#look(fd, ended, false);
  }

  /** It broke before its request was complete. */
  broke(fd: number): void {
    this.#leave(fd);
    this.#desk.abandon(fd, 'client_gone');
  }

  #look(fd: number, ended: boolean, isNew: boolean): void {
    if (this.#count === READS) this.flush();
    const look = this.#looks[this.#count++]!;
    look.fd = fd;
    look.ended = ended;
    look.isNew = isNew;
    look.have = 0;
    if (modeHandlers[this.#connections.mode[fd]!]!.consumes) {
      const piece = isNew ? undefined : this.#pieces.get(fd);
      if (piece) look.have = piece.copy(look.memory.bytes);
      look.ticket = this.#calls.receive(fd, look.memory, look.have, this.#limit - look.have);
    } else {
      look.ticket = this.#calls.peek(fd, look.memory, 0, this.#limit);
    }
  }

  /** Reads what there is of the heads that `begin` and `more` named and acts on those that are decided. */
  flush(): void {
    if (this.#count === 0) return;
    this.#calls.run();
    for (let i = 0; i < this.#count; i++) this.#advance(this.#looks[i]!);
    this.#count = 0;
  }

  #advance({ fd, ended, isNew, have, ticket, memory }: Look): void {
    const n = this.#calls.result(ticket);
    if (n === EAGAIN || n === EINTR) {
      if (isNew) this.#wait(fd);
      return;
    }
    const length = have + Math.max(n, 0);
    if (n < 0 || length === 0) {
      if (!isNew) this.#leave(fd);
      return this.#desk.abandon(fd, 'client_gone');
    }
    const handler = modeHandlers[this.#connections.mode[fd]!]!;
    const verdict = inspection.inspect(memory.bytes, length, this.#limit);
    if (verdict === inspection.INCOMPLETE && !ended && n > 0) {
      if (handler.consumes) this.#pieces.set(fd, Buffer.from(memory.bytes.subarray(0, length)));
      if (isNew) this.#wait(fd);
      return;
    }
    if (!isNew) this.#leave(fd);
    if (verdict === inspection.COMPLETE) {
      const { isLast, headEnd } = inspection.request;
      this.#connections.mayClose[fd] = isLast && handler.consumes && headEnd === length ? 1 : 0;
      return handler.act(this.#desk, fd);
    }
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
    const memory = this.#again;
    const n = peek(fd, memory, 0, this.#limit);
    return n > 0 && inspection.inspect(memory.bytes, n, this.#limit) === inspection.COMPLETE;
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
