/**
 * The numbers of migrations. Deliveries tell every head of the connections that any head has given them, so that the numbers
 * of several heads, and of a head before this one, meet in one table: they say which of two connections with the same ends
 * is the later one. So each begins with the time, in seconds, and follows whatever number it has heard of (a hybrid logical
 * clock, Kulkarni et al. 2014): a head that has heard of a connection gives the next one with its ends a higher number, and
 * one that has not is wrong only if its clock is.
 */
import { randomInt } from 'node:crypto';

/** 2026-01-01, Unix time in seconds. With 30 bits for seconds and 23 for the rest a number is exact in a double, until 2060. */
const ERA_S = 1_767_225_600;
const A_SECOND = 2 ** 23;
/** Two heads that follow the same number seldom come to the same next one. */
const A_GAP = A_SECOND >> 8;
/** As RFC 9562 leaves to the reader: what a peer says is believed up to here, so that nobody can use up the numbers. */
const AHEAD_S = 86_400;

export class Ids {
  readonly #now: () => number;
  #last = 0;
  /** That is another head's, whose next one is one higher: a predecessor goes on giving while its successor reads the table. */
  #isOthers = false;
  /** Where a second begins, for this head: two that are in the same second seldom come to the same number. */
  #offset: number;

  /** `nowMs`: Unix time. */
  constructor(nowMs: () => number = Date.now, offset = randomInt(A_SECOND >> 1)) {
    this.#now = nowMs;
    this.#offset = offset;
  }

  /** Above all that it has given and heard of. */
  next(): number {
    const above = this.#last + 1 + (this.#isOthers ? randomInt(A_GAP) : 0);
    this.#isOthers = false;
    this.#last = Math.max(above, this.#second() * A_SECOND + this.#offset);
    return this.#last;
  }

  /** There is a connection of this number, whoever moved it. */
  heard(id: number): void {
    if (id <= this.#last || id >= (this.#second() + AHEAD_S) * A_SECOND) return;
    this.#last = id;
    this.#isOthers = true;
  }

  /** A number was another's: from now on others are chosen. */
  collided(): void {
    this.#offset = randomInt(A_SECOND >> 1);
    this.#last += randomInt(A_GAP);
  }

  #second(): number {
    return Math.max(1, Math.floor(this.#now() / 1000) - ERA_S);
  }
}
