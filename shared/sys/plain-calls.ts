/** Calls that are made one by one, when they are queued. */
import { type Calls, TICKETS, type Ticket } from './calls.ts';
import { EAGAIN } from './libc.ts';
import type { Memory } from './memory.ts';
import { acceptInto, acceptNonBlocking, closeFd, discard, peek, receive, writeLast } from './sockets.ts';

export class PlainCalls implements Calls {
  readonly together = false;
  readonly #results = new Int32Array(TICKETS);
  #next = 0;
  /** No connection was left for an accept of this batch: to ask again would cost a call. */
  #isDry = false;

  #keep(result: number): Ticket {
    const ticket = this.#next++ % TICKETS;
    this.#results[ticket] = result;
    return ticket;
  }

  accept(listener: number, into: Memory | undefined, offset: number): Ticket {
    if (this.#isDry) return this.#keep(EAGAIN);
    const fd = into ? acceptInto(listener, into, offset) : acceptNonBlocking(listener);
    this.#isDry = fd === EAGAIN;
    return this.#keep(fd);
  }

  peek(fd: number, into: Memory, offset: number, length: number): Ticket {
    return this.#keep(peek(fd, into, offset, length));
  }

  receive(fd: number, into: Memory, offset: number, length: number): Ticket {
    return this.#keep(receive(fd, into, offset, length));
  }

  discard(fd: number, length: number): Ticket {
    return this.#keep(discard(fd, length));
  }

  writeLast(fd: number, from: Memory, offset: number, length: number): Ticket {
    return this.#keep(writeLast(fd, from, offset, length));
  }

  close(fd: number): void {
    closeFd(fd);
  }

  run(): void {
    this.#isDry = false;
  }

  result(ticket: Ticket): number {
    return this.#results[ticket]!;
  }

  end(): void {}
}
