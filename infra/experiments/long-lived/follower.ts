/** A client that stays: it wants a message each so often, notices when none comes, and comes again when it has lost its connection. */

import { now } from '../../visits/clients.ts';
import type { Target } from '../../visits/target.ts';
import { BIN_MS, type What } from './result.ts';
import { Talk, type TalkPlan } from './talk.ts';

/** Between two tries to connect again, as browsers and libraries have it, though these wait longer. */
const AGAIN_MS = 100;

export interface FollowerPlan extends TalkPlan {
  readonly everyMs: number;
  /** Microseconds of now(). */
  readonly start: number;
  readonly end: number;
  /** Messages in each bin, of all followers of a kind. */
  readonly came: number[];
}

export class Follower {
  due = 0;
  lost = 0;
  connectionsLost = 0;
  longestGapMicros = 0;
  /** Whether it has a connection on which messages come. */
  open = false;
  readonly #plan: FollowerPlan;
  readonly #what: What;
  readonly #target: Target;
  #talk: Talk;
  #last = 0;
  #lastId = 0;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: FollowerPlan, what: What, target: Target) {
    this.#plan = plan;
    this.#what = what;
    this.#target = target;
    this.#talk = this.#begin();
  }

  #begin(): Talk {
    return new Talk(this.#plan, this.#what, this.#target, {
      onOpen: () => {
        this.open = true;
        this.#unanswered = 0;
        this.#lastId = 0;
      },
      onMessage: (at, id) => this.#heard(at, id),
      onEnd: () => this.#ended(),
    });
  }

  #heard(at: number, id: number): void {
    const { start, end, came } = this.#plan;
    this.#unanswered--;
    const skipped = id === 0 || this.#lastId === 0 ? 0 : id - this.#lastId - 1;
    this.#lastId = id;
    if (at >= start && at < end) {
      came[Math.floor((at - start) / 1000 / BIN_MS)]!++;
      this.#gap(at);
      // Of events only: a connection does not lose any, but who writes them may.
      this.lost += skipped;
    }
    this.#last = at;
  }

  /** Nothing came from the last message, or the start, until `at`. */
  #gap(at: number): number {
    const gap = at - Math.max(this.#last, this.#plan.start);
    this.longestGapMicros = Math.max(this.longestGapMicros, gap);
    return gap;
  }

  #ended(): void {
    const at = now();
    const { start, end } = this.#plan;
    if (this.open && at >= start && at < end) {
      this.connectionsLost++;
      // What was on its way there or back.
      if (this.#what === 'WebSocket') this.lost += Math.max(0, this.#unanswered);
    }
    this.open = false;
    this.#unanswered = 0;
    if (at < end)
      this.#timer = setTimeout(() => {
        this.#talk = this.#begin();
      }, AGAIN_MS);
  }

  /** A message is due: a WebSocket's client sends it; an event should be on its way. */
  tick(): void {
    this.due++;
    if (!this.open) this.lost++;
    if (this.#what === 'events' || !this.open) return;
    this.#unanswered++;
    this.#talk.send(`message ${this.due}`);
  }

  /** Nothing is under way any more. */
  get settled(): boolean {
    return this.#what === 'events' || !this.open || this.#unanswered <= 0;
  }

  /** To be called once, after the end. */
  finish(): void {
    clearTimeout(this.#timer);
    const { end, everyMs } = this.#plan;
    if (this.#last < end) {
      const gap = this.#gap(end);
      // Events that have ceased to come, though their connection is there.
      if (this.open && this.#what === 'events')
        this.lost += Math.max(0, Math.floor(gap / 1000 / everyMs) - 1);
    }
    if (this.open && this.#what === 'WebSocket') this.lost += Math.max(0, this.#unanswered);
    this.#talk.close();
  }
}
