/**
 * The numbers of migrations. Deliveries tell every head of the connections that any head has given them, so that the numbers
 * of several heads, and of a head before this one, meet in one table: they say which of two connections with the same ends
 * is the later one. So each begins with the time, in seconds, and follows whatever number it has heard of (a hybrid logical
 * clock, Kulkarni et al. 2014): a head that has heard of a connection gives the next one with its ends a higher number, and
 * one that has not is wrong only if its clock is. The threads of a head share one row of numbers.
 */
import { randomInt } from 'node:crypto';
import { Turns } from '../steer/turns.ts';

/** 2026-01-01, Unix time in seconds. With 30 bits for seconds and 23 for the rest a number is exact in a double, until 2060. */
const ERA_S = 1_767_225_600;
const A_SECOND = 2 ** 23;
/** Two heads that follow the same number seldom come to the same next one. */
const A_GAP = A_SECOND >> 8;
/** As RFC 9562 leaves to the reader: what a peer says is believed up to here, so that nobody can use up the numbers. */
const AHEAD_S = 86_400;

/** Whose turn it is; whether numbers rest; the last one; and where a second begins for this head: two that are in the same second seldom come to the same number. */
const SHARED_SIZE = 32;

export class Ids {
  /** For other threads: `Ids.shared`. */
  readonly memory: SharedArrayBuffer;
  readonly #now: () => number;
  readonly #turns: Turns;
  /** 1: no numbers are given. */
  readonly #rest: Int32Array;
  /** Last; offset; and 1 where the last is another head's, whose next one is one higher: one that is not heard may go on giving. */
  readonly #cells: Float64Array;

  /** `nowMs`: Unix time. */
  constructor(nowMs: () => number = Date.now, offset = randomInt(A_SECOND >> 1), memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(SHARED_SIZE);
    this.#now = nowMs;
    this.#turns = new Turns(this.memory);
    this.#rest = new Int32Array(this.memory, 4, 1);
    this.#cells = new Float64Array(this.memory, 8);
    if (!memory) this.#cells[1] = offset;
  }

  /** Those of another thread of this process. */
  static shared(memory: SharedArrayBuffer): Ids {
    return new Ids(Date.now, 0, memory);
  }

  /** Above all that it has given and heard of; 0 while numbers rest, which another thread may have said just now. */
  next(): number {
    let given = 0;
    this.#change((last, offset) => {
      if (this.isAtRest) return last;
      const above = last + 1 + (this.#cells[2] === 1 ? randomInt(A_GAP) : 0);
      this.#cells[2] = 0;
      given = Math.max(above, this.#second() * A_SECOND + offset);
      return given;
    });
    return given;
  }

  /** There is a connection of this number, whoever moved it. */
  heard(id: number): void {
    if (id >= (this.#second() + AHEAD_S) * A_SECOND) return;
    this.#change((last) => {
      if (id <= last) return last;
      this.#cells[2] = 1;
      return id;
    });
  }

  /** What a predecessor has given last: it gives none any more. */
  follow(last: number): void {
    this.#change((own) => {
      if (last >= own) this.#cells[2] = 0;
      return Math.max(own, last);
    });
  }

  /** The highest that was given or heard of; nothing above it is this head's. */
  get last(): number {
    return this.#change((last) => last);
  }

  /** A successor goes on above `last`: from here on no thread is given another number. */
  rest(on: boolean): void {
    this.#change((last) => {
      Atomics.store(this.#rest, 0, on ? 1 : 0);
      return last;
    });
  }

  /** For who has something to do before he asks for a number. */
  get isAtRest(): boolean {
    return Atomics.load(this.#rest, 0) === 1;
  }

  /** A number was another's: from now on others are chosen. */
  collided(): void {
    this.#change((last) => {
      this.#cells[1] = randomInt(A_SECOND >> 1);
      return last + randomInt(A_GAP);
    });
  }

  /** The last number becomes what `next` says. */
  #change(next: (last: number, offset: number) => number): number {
    this.#turns.take();
    try {
      const id = next(this.#cells[0]!, this.#cells[1]!);
      this.#cells[0] = id;
      return id;
    } finally {
      this.#turns.giveBack();
    }
  }

  #second(): number {
    return Math.max(1, Math.floor(this.#now() / 1000) - ERA_S);
  }
}
