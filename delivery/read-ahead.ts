/**
 * What clients had sent before their connection came here, read for a whole batch of connections at once. The head has
 * seen that there is something: to have the event loop wait for it would cost each connection a call to be watched, an
 * event and a read of its own.
 */
import type { Ticket } from '../shared/sys/calls.ts';
import { allocate } from '../shared/sys/memory.ts';
import { PlainCalls } from '../shared/sys/plain-calls.ts';
import { openRing } from '../shared/sys/ring.ts';

/** The first bytes of a connection; or why there are none: 0 for the end of input, else a negative errno. */
export type FirstInput = Buffer | number;

/** Bytes read of each connection: a request's head, nearly always. What does not fit is read as if it came later. */
const LENGTH = 4096;
const AT_ONCE = 64;

export class ReadAhead {
  readonly #calls = openRing() ?? new PlainCalls();
  readonly #memory = allocate(AT_ONCE * LENGTH);
  readonly #tickets: Ticket[] = [];

  /** Calls `use` once for each fd, in their order. Not to be called from there, nor may that throw. */
  read(fds: readonly number[], use: (fd: number, input: FirstInput, index: number) => void): void {
    for (let first = 0; first < fds.length; first += AT_ONCE) {
      const end = Math.min(first + AT_ONCE, fds.length);
      for (let at = first; at < end; at++)
        this.#tickets[at - first] = this.#calls.receive(
          fds[at]!,
          this.#memory,
          (at - first) * LENGTH,
          LENGTH,
        );
      this.#calls.run();
      for (let at = first; at < end; at++) {
        const result = this.#calls.result(this.#tickets[at - first]!);
        use(fds[at]!, this.#take(result, (at - first) * LENGTH), at);
      }
    }
  }

  /** A copy: the next batch is read into the same memory. */
  #take(result: number, offset: number): FirstInput {
    if (result <= 0) return result;
    const input = Buffer.allocUnsafe(result);
    this.#memory.bytes.copy(input, 0, offset, offset + result);
    return input;
  }

  end(): void {
    this.#calls.end();
    this.#memory.free();
  }
}
