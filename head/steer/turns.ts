/**
 * Threads of one process that change the same thing one after the other. Whoever has its turn keeps it for a few system calls,
 * so the others wait in the kernel (futex(2), by Atomics.wait) as long as that takes. Not for one that has its turn already.
 * Drepper, "Futexes are tricky" (2011), the second of its mutexes.
 */

const FREE = 0;
const TAKEN = 1;
const AWAITED = 2;

export class Turns {
  /** For the other threads. */
  readonly memory: SharedArrayBuffer;
  readonly #cell: Int32Array;

  constructor(memory = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#cell = new Int32Array(memory, 0, 1);
  }

  /** `giveBack` must follow. */
  take(): void {
    const cell = this.#cell;
    if (Atomics.compareExchange(cell, 0, FREE, TAKEN) === FREE) return;
    while (Atomics.exchange(cell, 0, AWAITED) !== FREE) Atomics.wait(cell, 0, AWAITED);
  }

  giveBack(): void {
    const cell = this.#cell;
    if (Atomics.exchange(cell, 0, FREE) === AWAITED) Atomics.notify(cell, 0, 1);
  }
}
