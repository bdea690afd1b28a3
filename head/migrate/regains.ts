/** Connections that live on other hosts and are to be the head's again: from whom they may come, and what the kernel's table says of them meanwhile. */
import type { Steering } from '../steer/index.ts';
import type { FlowBook } from './flow-book.ts';
import { nameOf } from './orphans.ts';

export class Regains {
  readonly #book: FlowBook;
  readonly #steering: Steering;
  readonly #tell: (key: Buffer, id: number) => void;

  /** `tell`: the client of a flow that nobody has any more. */
  constructor(book: FlowBook, steering: Steering, tell: (key: Buffer, id: number) => void) {
    this.#book = book;
    this.#steering = steering;
    this.#tell = tell;
  }

  /** The ends of a connection that lives with `owner`, as far as this head knows. */
  keyOf(owner: string, id: number): Buffer | undefined {
    return this.#book.of(owner, id)?.key;
  }

  /** Its packets are sent to its owner, and to nobody who has its ends by now. */
  isSteered(owner: string, id: number): boolean {
    const flow = this.#book.of(owner, id);
    if (!flow || this.#book.at(nameOf(flow.key)) !== flow) return false;
    const entry = this.#steering.find(flow.key);
    return entry?.action === 'forward' && entry.id === id;
  }

  /**
   * A copy of it is about to be made here, or was: after a claim the program looks for newer connections with its ends, and would
   * take the copy for one. False where the kernel refuses.
   */
  isCopied(key: Buffer, id: number, is: boolean): boolean {
    try {
      this.#steering.look(key, id, !is);
      return true;
    } catch {
      return false;
    }
  }

  /** It is its owner's no more, and the head's: ended by `lives`, or `lost`. False, with nothing done, where the kernel refuses. */
  begin(owner: string, id: number): boolean {
    const flow = this.#book.of(owner, id)!;
    try {
      // Should this head die before its copy lives, its successor finds it, and tells the client.
      this.#steering.mark(flow.key, id);
    } catch {
      return false;
    }
    this.#book.remove(flow);
    return true;
  }

  /** It lives here. */
  lives(key: Buffer, id: number): void {
    this.#steering.release(key, id);
  }

  /** Nobody has it. */
  lost(key: Buffer, id: number): void {
    this.#tell(key, id);
  }
}
