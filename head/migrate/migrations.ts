/**
 * Moving connections to one delivery on another host: each migration is a transaction in which never more than one host
 * can speak for the connection, and never none without the client being told.
 *
 *     head                                                   delivery
 *     hold the flow, freeze, save ---- adopt{state} -------> prepare: all but coming to life
 *     unchanged? forward the flow, <--- adopted ------------
 *     close silently -------------------- commit ----------> activate: the application has it
 *                                <----- live ---------------
 *
 * Until `commit` has left, the connection is the head's whatever happens: a refusal, a deadline that passes, a delivery
 * that dies. It is thawed and goes on here. From `commit` to `live` it cannot be known who has it when the delivery dies:
 * the head has kept what it saved, and resets the connection with it. When a link breaks without a word, so that the
 * delivery may live and might reset what it has prepared, what is under way is reset here too. The delivery's half is in
 * delivery/remote/adoptions.ts.
 */

import { vacateFd } from '../../shared/sys/vacate.ts';
import {
  type Ends,
  encodeSaved,
  endsOf,
  type FrozenConnection,
  freeze,
  prepare,
  Refusal,
  type SavedConnection,
} from '../../shared/tcp-repair/index.ts';
import { flowKey } from '../../shared/wire/remote/flow-key.ts';
import type { Link } from '../../shared/wire/remote/link.ts';
import type { ToRemote } from '../../shared/wire/remote/messages.ts';
import type { NextHop, Steering } from '../steer/index.ts';
import type { Settlement } from '../worker-messages.ts';
import type { Flows } from './flows.ts';
import type { Measures, Outcome } from './measures.ts';

/** A packet that was past the hold when it was set arrives within microseconds: a second try finds a quiet socket. */
const TRIES = 3;
/** The hold ends by itself this long (milliseconds) after the deadline, so that a dead head's clients learn of it. */
const HOLD_MARGIN_MS = 1000;

/** What migrations to all deliveries share. */
export interface MigrationParts {
  readonly steering: Steering;
  readonly flows: Flows;
  readonly measures: Measures;
  /** From freeze to adopted, at most. */
  readonly adoptTimeoutMs: number;
  readonly nextId: () => number;
}

/** The delivery that they go to. */
export interface Destination {
  readonly name: string;
  readonly link: Link;
  readonly hop: NextHop;
  /** Tells the worker that the connection came from. */
  readonly settle: (worker: number, fd: number, how: Settlement) => void;
}

interface Moving {
  readonly id: number;
  readonly worker: number;
  readonly fd: number;
  readonly key: Buffer;
  readonly frozen: FrozenConnection;
  readonly saved: SavedConnection;
  /** Milliseconds of performance.now(). */
  readonly began: number;
  readonly dumped: number;
}

interface Unconfirmed {
  readonly key: Buffer;
  readonly saved: SavedConnection;
}

const micros = (from: number, to: number): number => (to - from) * 1000;

export class Migrations {
  readonly #parts: MigrationParts;
  readonly #to: Destination;
  /** Adopt was sent; in the order of their deadlines. */
  readonly #moving = new Map<number, Moving>();
  /** Commit was sent. */
  readonly #unconfirmed = new Map<number, Unconfirmed>();
  #timer: NodeJS.Timeout | undefined;
  #whenQuiet: (() => void)[] = [];

  constructor(parts: MigrationParts, destination: Destination) {
    this.#parts = parts;
    this.#to = destination;
  }

  get count(): number {
    return this.#moving.size;
  }

  /** Begins to move a connection of a worker, which leaves it alone until it is settled. */
  begin(worker: number, fd: number): void {
    const { steering, flows, adoptTimeoutMs, nextId } = this.#parts;
    const ends = endsOf(fd);
    if (ends instanceof Refusal) return this.#keep(worker, fd, 'not_movable', ends.reason);
    const key = flowKey(ends);
    flows.supersede(key);
    // From here on the client waits.
    const began = performance.now();
    try {
      steering.hold(key, adoptTimeoutMs + HOLD_MARGIN_MS);
    } catch {
      // Full, or the kernel refuses: the connection stays as it was.
      return this.#keep(worker, fd, 'not_movable', 'steering-full');
    }
    const copy = freezeAndSave(fd, ends);
    if (copy instanceof Refusal) {
      steering.forget(key);
      return this.#keep(worker, fd, 'not_movable', copy.reason);
    }
    const id = nextId();
    const state = encodeSaved(copy.saved);
    const dumped = performance.now();
    this.#moving.set(id, { ...copy, id, worker, fd, key, began, dumped });
    this.#tell({ type: 'adopt', id, withinMs: adoptTimeoutMs, state });
    this.#timer ??= setTimeout(() => this.#expire(), adoptTimeoutMs);
  }

  /** It stands at the delivery, and waits for our word. True when the delivery has it now. */
  onAdopted(id: number, restoreMicros: number): boolean {
    const moving = this.#moving.get(id);
    // Too late: the delivery has been told, or is about to read it.
    if (!moving) return false;
    const answered = performance.now();
    if (!moving.frozen.isUnchanged()) {
      this.#takeBack(moving, 'not_movable', 'changing');
      return false;
    }
    const { steering, flows, measures } = this.#parts;
    this.#moving.delete(id);
    steering.forward(moving.key, this.#to.hop);
    moving.frozen.closeSilently();
    this.#unconfirmed.set(id, moving);
    flows.add(id, moving.key, this.#to.name);
    this.#tell({ type: 'commit', id });
    this.#to.settle(moving.worker, moving.fd, 'taken');
    measures.count('adopted');
    const { dump, transfer, restore, steer, adopted } = measures.stages;
    dump.add(micros(moving.began, moving.dumped));
    transfer.add(Math.max(0, micros(moving.dumped, answered) - restoreMicros));
    restore.add(restoreMicros);
    steer.add(micros(answered, performance.now()));
    adopted.add(micros(moving.began, answered));
    return true;
  }

  /** The delivery has the head's word for it, and has not said that it lives. */
  isCommitted(id: number): boolean {
    return this.#unconfirmed.has(id);
  }

  /** The delivery could not take it; after commit that means that nobody has it. */
  onRefused(id: number, reason: string): void {
    const moving = this.#moving.get(id);
    if (moving) this.#takeBack(moving, 'refused', reason);
    const committed = this.#unconfirmed.get(id);
    if (committed) this.#resetAway(id, committed, reason);
  }

  onLive(ids: readonly number[]): void {
    for (const id of ids) this.#unconfirmed.delete(id);
    this.#checkQuiet();
  }

  /** Resolves when nothing is under way and every commit has been confirmed. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet.push(resolve);
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (this.#moving.size + this.#unconfirmed.size > 0) return;
    for (const resolve of this.#whenQuiet.splice(0)) resolve();
  }

  #tell(message: ToRemote): void {
    this.#to.link.send(message);
  }

  /** It never left the worker. */
  #keep(worker: number, fd: number, outcome: Outcome, reason: string): void {
    this.#parts.measures.count(outcome, reason);
    this.#to.settle(worker, fd, 'returned');
  }

  /** Before commit: it goes on here, and the delivery undoes what it has prepared. */
  #takeBack(moving: Moving, outcome: Outcome, reason: string): void {
    this.#moving.delete(moving.id);
    if (outcome !== 'refused') this.#tell({ type: 'abort', id: moving.id });
    moving.frozen.thaw();
    this.#parts.steering.forget(moving.key);
    this.#keep(moving.worker, moving.fd, outcome, reason);
    this.#checkQuiet();
  }

  #expire(): void {
    this.#timer = undefined;
    const { adoptTimeoutMs } = this.#parts;
    const now = performance.now();
    for (const moving of this.#moving.values()) {
      const left = moving.dumped + adoptTimeoutMs - now;
      // A timer may come a little early.
      if (left > 1) {
        this.#timer = setTimeout(() => this.#expire(), left);
        return;
      }
      this.#takeBack(moving, 'late', 'no answer in time');
    }
  }

  /** Commit was sent, and nobody has it: what was saved is enough to tell the client. */
  #resetAway(id: number, { key, saved }: Unconfirmed, reason: string): void {
    const { steering, flows, measures } = this.#parts;
    this.#unconfirmed.delete(id);
    flows.supersede(key);
    steering.forget(key);
    const copy = prepare(saved);
    // Without a copy the head's kernel answers the client's next packet with a reset.
    if (!(copy instanceof Refusal)) copy.reset();
    measures.count('unknown', reason);
  }

  /**
   * The delivery is let go. `told`: it can be told so, or its process has ended, so that it cannot speak for what is under
   * way; otherwise that is unknown. Everything is settled when this returns.
   */
  end(told: boolean): void {
    clearTimeout(this.#timer);
    for (const moving of [...this.#moving.values()]) {
      if (told) this.#takeBack(moving, 'left', 'the delivery has gone');
      else this.#lose(moving);
    }
    for (const [id, committed] of [...this.#unconfirmed])
      this.#resetAway(id, committed, 'no word after commit');
    this.#checkQuiet();
  }

  #lose(moving: Moving): void {
    this.#moving.delete(moving.id);
    moving.frozen.reset();
    this.#parts.steering.forget(moving.key);
    this.#parts.measures.count('unknown', 'the link broke');
    this.#to.settle(moving.worker, moving.fd, 'lost');
  }
}

function freezeAndSave(
  fd: number,
  ends: Ends,
): { frozen: FrozenConnection; saved: SavedConnection } | Refusal {
  for (let tries = 1; ; tries++) {
    const frozen = freeze(fd, { ends, close: vacateFd });
    if (frozen instanceof Refusal) return frozen;
    const saved = frozen.save();
    if (!(saved instanceof Refusal)) return { frozen, saved };
    frozen.thaw();
    if (saved.reason !== 'changing' || tries === TRIES) return saved;
  }
}
