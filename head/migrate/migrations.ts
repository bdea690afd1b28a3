/**
 * Moving connections to one delivery on another host: each migration is a transaction in which never more than one host
 * can speak for the connection, and never none without the client being told.
 *
 *     head                                                   delivery
 *     mark the flow, freeze, save ---- adopt{state} -------> prepare: all but coming to life
 *     hold the flow; unchanged?    <--- adopted ------------
 *     forward it, close silently -------- commit ----------> activate: the application has it
 *                                <----- live ---------------
 *
 * The copy is made first and packets are held last, as virtual machines are moved: a frozen socket goes on receiving and
 * acknowledging, and what it has received meanwhile shows when it is looked at again. Then the copy is worth nothing, and
 * another is made. Only a client that never pauses is held for the whole time, which costs it a retransmission.
 *
 * Until `commit` has left, the connection is the head's whatever happens: a refusal, a deadline that passes, a delivery
 * that dies. It is thawed and goes on here. From `commit` to `live` it cannot be known who has it when the delivery dies:
 * the head has kept what it saved, and resets the connection with it. A delivery that may live says what it has when it
 * registers again (flows.ts). The delivery's half is in delivery/remote/adoptions.ts, and docs/model/migration.pml is both
 * halves in every order. Not all is begun at once: what waits for its turn is not frozen (window.ts).
 */

import { socketCookie } from '../../shared/sys/cookie.ts';
import { endsOf, Refusal } from '../../shared/tcp-repair/index.ts';
import { endsText, trace } from '../../shared/trace.ts';
import { flowKey } from '../../shared/wire/remote/flow-key.ts';
import { type Alarm, Timer } from './alarm.ts';
import type { Unconfirmed } from './flow-book.ts';
import type { Outcome } from './measures.ts';
import {
  type Destination,
  type Fate,
  freezeAndSave,
  type MigrationParts,
  type Moving,
  type Waiting,
} from './moving.ts';
import { Window } from './window.ts';

/** Copies that a client's packets may outdate before it is held while one is made. */
const COPIES = 4;
/** A hold for the moment between the last look and the end, at most. */
const MOMENT_MS = 1000;
/** How often a busy delivery may be late with one connection before that goes another way. */
const LATE_MAX = 8;
/** The hold ends by itself this long (milliseconds) after the deadline, so that a dead head's clients learn of it. */
const HOLD_MARGIN_MS = 1000;

export class Migrations {
  readonly #parts: MigrationParts;
  readonly #to: Destination;
  /** Adopt was sent; in the order of their deadlines. */
  readonly #moving = new Map<number, Moving>();
  /** Commit was sent. */
  readonly #unconfirmed = new Map<number, Unconfirmed>();
  readonly #alarm: Alarm;
  #whenQuiet: (() => void)[] = [];
  /** In the order in which they came. */
  readonly #waiting: Waiting[] = [];
  readonly #window = new Window();
  /** When the delivery last answered an adopt. */
  #heardAt = 0;
  #ended = false;

  constructor(parts: MigrationParts, destination: Destination) {
    this.#parts = parts;
    this.#to = destination;
    this.#alarm = parts.alarm?.(() => this.#expire()) ?? new Timer(() => this.#expire());
  }

  get count(): number {
    return this.#moving.size + this.#waiting.length;
  }

  /** The delivery has the head's word for so many, and has not said that they live. */
  get unconfirmed(): number {
    return this.#unconfirmed.size;
  }

  /** Under way, or about to be, or not confirmed: what waits while no numbers are given is none of these. */
  get pending(): number {
    const waiting = this.#parts.ids.isAtRest ? 0 : this.#waiting.length;
    return this.#moving.size + this.#unconfirmed.size + waiting;
  }

  /** Begins to move connections of a worker, which leaves them alone until they are settled. */
  begin(worker: number, fds: readonly number[], states?: ReadonlyMap<number, Uint8Array>): void {
    for (const fd of fds) this.#waiting.push({ worker, fd, outdated: 0, late: 0, app: states?.get(fd) });
    this.goOn();
  }

  /** Begins what there is room for; nothing while no numbers are given. */
  goOn(): void {
    // Again, where some of them could not be begun.
    for (;;) {
      const free = Math.min(this.#window.size - this.#moving.size, this.#parts.flows.room);
      const room = Math.min(this.#waiting.length, free);
      if (room <= 0) return;
      if (this.#parts.ids.isAtRest) return this.#checkQuiet();
      this.#to.link.together(this.#waiting.splice(0, room), (waiting) => this.#begin(waiting));
    }
  }

  #begin(waiting: Waiting): void {
    // Its link broke over the one before: nobody touches this one, and its worker gives it to others.
    if (this.#ended) return;
    const { steering, flows, adoptTimeoutMs, ids } = this.#parts;
    const { worker, fd, app } = waiting;
    if (!steering.isAttached) return this.#keep(worker, fd, 'not_movable', 'steering-gone');
    const ends = endsOf(fd);
    if (ends instanceof Refusal) return this.#keep(worker, fd, 'not_movable', ends.reason);
    const key = flowKey(ends);
    const id = ids.next();
    // They rest since a moment ago, as the main thread has said to one of a worker's.
    if (id === 0) return void this.#waiting.push(waiting);
    flows.beginToMove(key);
    const isHeld = waiting.outdated >= COPIES;
    const began = performance.now();
    try {
      // Should this head die while the connection is frozen, its successor knows whose client to tell.
      if (isHeld) steering.hold(key, adoptTimeoutMs + HOLD_MARGIN_MS, id);
      else steering.mark(key, id);
    } catch {
      // Full, or the kernel refuses: the connection stays as it was.
      flows.stopMoving(key, id);
      return this.#keep(worker, fd, 'not_movable', 'steering-full');
    }
    const copy = freezeAndSave(fd, ends, this.#parts.close);
    if (copy instanceof Refusal) {
      flows.stopMoving(key, id);
      return this.#keep(worker, fd, 'not_movable', copy.reason);
    }
    const state = this.#to.encode(copy.saved);
    const dumped = performance.now();
    this.#moving.set(id, { ...waiting, ...copy, id, key, isHeld, began, dumped });
    this.#alarm.set(adoptTimeoutMs);
    trace?.say(`m${id}`, 'adopt', `c${socketCookie(fd)}`, endsText(ends.client, ends.server));
    this.#to.link.send({ type: 'adopt', id, withinMs: adoptTimeoutMs, state, ...(app && { app }) });
  }

  /** It stands at the delivery, and waits for our word. True when the delivery has it now. */
  onAdopted(id: number, restoreMicros: number): boolean {
    const moving = this.#moving.get(id);
    this.#heardAt = performance.now();
    // Too late: the delivery has been told, or is about to read it.
    if (!moving) return false;
    const answered = this.#heardAt;
    this.#window.took(answered - moving.began, this.#moving.size, answered);
    if (!moving.frozen.isUnchanged() || !this.#forward(moving)) {
      this.#copyAgain(moving);
      return false;
    }
    const { flows, measures } = this.#parts;
    this.#moving.delete(id);
    moving.frozen.closeSilently();
    this.#unconfirmed.set(id, moving);
    flows.add(id, moving.key, this.#to.name);
    // Before the word, which may be the one that breaks the link: the worker must not give away an fd that is nothing.
    this.#to.settle(moving.worker, moving.fd, 'taken');
    trace?.say(`m${id}`, 'commit');
    this.#to.link.send({ type: 'commit', id });
    measures.adopted({ ...moving, answered, restoreMicros });
    this.goOn();
    return true;
  }

  /**
   * Sends its packets to the delivery once nothing reaches the socket any more, if nothing has since it was saved. The hold
   * keeps packets from the host, the filter those that were past the hold already from the socket; the look takes the
   * socket's lock, so that one which was past both is in by then. A flow that was held from the beginning is held anew:
   * this process may have been stopped for longer than a hold lasts.
   */
  #forward({ id, key, frozen }: Moving): boolean {
    const { steering } = this.#parts;
    try {
      steering.hold(key, MOMENT_MS, id);
      if (!frozen.deafen() || !frozen.isUnchanged()) return false;
      steering.forward(key, this.#to.hop(), { id });
      trace?.say(`m${id}`, 'forward');
      return true;
    } catch {
      // The kernel has no memory for it right now.
      return false;
    }
  }

  /** Its client went on sending. */
  #copyAgain(moving: Moving): void {
    const { worker, fd, late, outdated, isHeld, app } = moving;
    if (isHeld) return this.#takeBack(moving, 'not_movable', 'changing');
    this.#release(moving);
    this.#parts.measures.copiedAgain();
    this.#waiting.unshift({ worker, fd, app, late, outdated: outdated + 1 });
    this.goOn();
  }

  /** The delivery has the head's word for it, and has not said that it lives. */
  isCommitted(id: number): boolean {
    return this.#unconfirmed.has(id);
  }

  /** The delivery could not take it; after commit that means that nobody has it. */
  onRefused(id: number, reason: string): void {
    const moving = this.#moving.get(id);
    this.#heardAt = performance.now();
    if (moving) this.#takeBack(moving, 'refused', reason);
    const committed = this.#unconfirmed.get(id);
    if (committed) this.#resetAway(id, committed, reason);
  }

  onLive(ids: readonly number[]): void {
    for (const id of ids) if (this.#unconfirmed.delete(id)) trace?.say(`m${id}`, 'confirmed');
    this.#checkQuiet();
  }

  /** Resolves when nothing is under way, or will be, and every commit has been confirmed. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet.push(resolve);
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (this.pending > 0) return;
    for (const resolve of this.#whenQuiet.splice(0)) resolve();
  }

  /** It never left the worker. */
  #keep(worker: number, fd: number, outcome: Outcome, reason: string): void {
    this.#parts.measures.count(outcome, reason);
    this.#to.settle(worker, fd, reason === 'closed' ? 'gone' : 'returned');
  }

  /** Before commit: it goes on here, and the delivery undoes what it has prepared. */
  #takeBack(moving: Moving, outcome: Outcome, reason: string): void {
    this.#release(moving, outcome !== 'refused');
    this.#keep(moving.worker, moving.fd, outcome, reason);
    this.goOn();
    this.#checkQuiet();
  }

  /** It is as it was before it was begun. */
  #release(moving: Moving, isToBeTold = true): void {
    this.#moving.delete(moving.id);
    trace?.say(`m${moving.id}`, 'release');
    // A client that was held has sent what nobody got: the probe that thawing sends makes it send that again.
    if (moving.isHeld) moving.frozen.thaw();
    else moving.frozen.thawQuietly();
    this.#parts.flows.stopMoving(moving.key, moving.id);
    // Last: the link may break over it, and then the worker has the connection at once.
    if (isToBeTold) this.#to.link.send({ type: 'abort', id: moving.id });
  }

  #expire(): void {
    const { adoptTimeoutMs } = this.#parts;
    const now = performance.now();
    for (const moving of [...this.#moving.values()]) {
      const left = moving.dumped + adoptTimeoutMs - now;
      // A timer may come a little early.
      if (left > 1) {
        this.#alarm.set(left);
        break;
      }
      this.#late(moving);
    }
    this.goOn();
  }

  /** A delivery that has answered others meanwhile is busy, and not dead: the connection waits for it, and is not frozen. */
  #late(moving: Moving): void {
    const { worker, fd, late, outdated, app } = moving;
    if (this.#heardAt <= moving.dumped || late === LATE_MAX)
      return this.#takeBack(moving, 'late', 'no answer in time');
    this.#window.shrink();
    this.#release(moving);
    this.#waiting.push({ worker, fd, app, outdated, late: late + 1 });
  }

  /** Commit was sent, and nobody has it. */
  #resetAway(id: number, committed: Unconfirmed, reason: string): void {
    this.#unconfirmed.delete(id);
    this.#parts.flows.resetAway(id, this.#to.name, committed);
    this.#parts.measures.count('unknown', reason);
  }

  /** The delivery is dropped. Everything is settled when this returns, but for what waits, which nobody has touched. */
  end(fate: Fate): void {
    this.#alarm.clear();
    this.#ended = true;
    this.#waiting.length = 0;
    for (const moving of [...this.#moving.values()]) this.#takeBack(moving, 'left', 'the delivery has gone');
    for (const [id, committed] of [...this.#unconfirmed]) {
      if (fate === 'dead') this.#resetAway(id, committed, 'no word after commit');
      else this.#parts.flows.doubt(id, this.#to.name, committed, fate === 'reset');
    }
    this.#unconfirmed.clear();
    this.#checkQuiet();
  }
}
