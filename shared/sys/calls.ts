/**
 * System calls on sockets, queued and then made together. Where the kernel has io_uring(7) and lets this process use it
 * a whole batch enters the kernel once (ring.ts); elsewhere each call is made when it is queued (plain-calls.ts). What a
 * call does and answers is the same either way: none of them waits, and they are made in the order of the queue.
 */
import type { Memory } from './memory.ts';

/** A call's number, good for `result` until 2048 more calls have been queued. */
export type Ticket = number;

/** Results kept: a power of two, more than twice what is ever queued between a call and the look at its result. */
export const TICKETS = 4096;

export interface Calls {
  /** Whether a batch enters the kernel once. */
  readonly together: boolean;
  /** As acceptNonBlocking; with `into`, ADDRESS_BYTES at `offset` get the client's address, for `addressHash`. */
  accept(listener: number, into: Memory | undefined, offset: number): Ticket;
  peek(fd: number, into: Memory, offset: number, length: number): Ticket;
  receive(fd: number, into: Memory, offset: number, length: number): Ticket;
  discard(fd: number, length: number): Ticket;
  /** The bytes must stay as they are until `run`. */
  writeLast(fd: number, from: Memory, offset: number, length: number): Ticket;
  close(fd: number): void;
  /** Makes the calls that are queued. */
  run(): void;
  /** What a call answered: a value >= 0, or -errno. Only after `run`. */
  result(ticket: Ticket): number;
  /** Gives back what it holds of the kernel's. */
  end(): void;
}
