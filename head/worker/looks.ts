/** Looks at first bytes: those of one wake-up are made together. */
import type { Calls, Ticket } from '../../shared/sys/calls.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';

/** Looks made together. */
const AT_ONCE = 64;

/** Why a connection is looked at. */
export const NEW = 0;
/** epoll says that there is more. */
export const MORE = 1;
/** epoll says that there is more, and that nothing follows. */
export const ENDED = 2;
/** A pause has ended. */
export const PAUSED = 3;
/** The head stops, and it was silent until now. */
export const STOPPING = 4;

/** A connection whose first bytes are looked at: why, how, and into which memory. */
export interface Look {
  fd: number;
  why: number;
  ticket: Ticket;
  readonly memory: Memory;
}

export class Looks {
  readonly #calls: Calls;
  #bytes: number;
  readonly #looks: readonly Look[];
  #count = 0;

  /** `limit`: bytes that a look can see at the most. */
  constructor(calls: Calls, limit: number) {
    this.#calls = calls;
    this.#bytes = limit;
    this.#looks = Array.from({ length: AT_ONCE }, () => {
      // Most heads are short: of each memory the kernel provides only the pages that are ever written to.
      return { fd: -1, why: NEW, ticket: 0, memory: allocate(limit) };
    });
  }

  /** From here on a look sees so much, at most the limit. */
  set bytes(bytes: number) {
    this.#bytes = bytes;
  }

  get isFull(): boolean {
    return this.#count === AT_ONCE;
  }

  /** Looks at what stays in the socket. Only when not full. */
  peek(fd: number, why: number): void {
    const look = this.#looks[this.#count++]!;
    look.fd = fd;
    look.why = why;
    look.ticket = this.#calls.peek(fd, look.memory, 0, this.#bytes);
  }

  /** Makes them; `onSeen` is called for each with what its call answered, in their order. */
  run(onSeen: (look: Look, result: number) => void): void {
    if (this.#count === 0) return;
    this.#calls.run();
    for (let i = 0; i < this.#count; i++) onSeen(this.#looks[i]!, this.#calls.result(this.#looks[i]!.ticket));
    this.#count = 0;
  }
}
