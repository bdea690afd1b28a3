/**
 * What a worker has moved, for the main thread, which keeps the book of flows: a ring in shared memory that the worker writes and the
 * main thread reads whenever it is about to look into the book. Nobody is woken for an entry. An entry is there before the
 * delivery gets the head's word, so that whatever the delivery says of the connection, the main thread finds it first.
 */
import { FLOW_KEY_SIZE } from '../../shared/wire/remote/flow-key.ts';

const PLACES = 4096;
const HEADER = 64;
const PLACE = 64;
/** In a place: the number, then four integers, then the key. */
const SLOT_AT = 8;
const REGISTRATION_AT = 12;
const HOP_AT = 16;
const KEY_AT = 20;

export interface Moved {
  readonly id: number;
  readonly key: Buffer;
  readonly slot: number;
  readonly registration: number;
  /** Which of the ways to the delivery's host its packets were sent. */
  readonly hop: number;
}

export class Journal {
  readonly memory: SharedArrayBuffer;
  /** Entries written, and read, since the beginning; and places that are kept free. Wrapped around at 2^32. */
  readonly #counts: Int32Array;
  readonly #bytes: Buffer;

  constructor(memory = new SharedArrayBuffer(HEADER + PLACES * PLACE)) {
    this.memory = memory;
    this.#counts = new Int32Array(memory, 0, 3);
    this.#bytes = Buffer.from(memory, HEADER);
  }

  get #unread(): number {
    return (Atomics.load(this.#counts, 0) - Atomics.load(this.#counts, 1)) >>> 0;
  }

  // --- the worker's ---

  /** Places that are free, and kept for nobody. */
  get room(): number {
    return PLACES - this.#unread - this.#counts[2]!;
  }

  /** The main thread should read, or there will be no room. */
  get isFilling(): boolean {
    return this.#unread > PLACES / 2;
  }

  /** Keeps a place for one that begins to move; ended by `cancel` or `write`. */
  reserve(): void {
    this.#counts[2]!++;
  }

  cancel(): void {
    this.#counts[2]!--;
  }

  write({ id, key, slot, registration, hop }: Moved): void {
    this.#counts[2]!--;
    const written = this.#counts[0]!;
    const at = ((written >>> 0) % PLACES) * PLACE;
    this.#bytes.writeDoubleLE(id, at);
    this.#bytes.writeInt32LE(slot, at + SLOT_AT);
    this.#bytes.writeInt32LE(registration, at + REGISTRATION_AT);
    this.#bytes.writeInt32LE(hop, at + HOP_AT);
    this.#bytes.set(key, at + KEY_AT);
    Atomics.store(this.#counts, 0, (written + 1) | 0);
  }

  // --- the main thread's ---

  /** Calls `each` with every entry, in order. */
  read(each: (moved: Moved) => void): void {
    for (let left = this.#unread; left > 0; left--) {
      const read = this.#counts[1]!;
      const at = ((read >>> 0) % PLACES) * PLACE;
      const moved = {
        id: this.#bytes.readDoubleLE(at),
        key: Buffer.from(this.#bytes.subarray(at + KEY_AT, at + KEY_AT + FLOW_KEY_SIZE)),
        slot: this.#bytes.readInt32LE(at + SLOT_AT),
        registration: this.#bytes.readInt32LE(at + REGISTRATION_AT),
        hop: this.#bytes.readInt32LE(at + HOP_AT),
      };
      Atomics.store(this.#counts, 1, (read + 1) | 0);
      each(moved);
    }
  }
}
