/** Holds moves to other hosts against docs/model/migration.pml: the same states and steps. */
import type { MigrationStep, Transition } from '../../shared/trace.ts';
import type { Fates } from './fates.ts';
import type { Rules, Step, Thread } from './steps.ts';

/** At the head: Migration.phase of the model, and what its unnamed moments are. */
type AtHead = 'IDLE' | 'MOVING' | 'RELEASED' | 'FORWARDED' | 'UNCONFIRMED' | 'DOUBT' | 'SETTLED' | 'REGAINED';
/** At a delivery: which of Remote.prepared and Remote.live has it. */
type AtDelivery = 'NONE' | 'prepared' | 'live' | 'given' | 'outdated' | 'over';

const headSteps: Readonly<Partial<Record<MigrationStep, readonly [from: readonly AtHead[], to: AtHead]>>> = {
  adopt: [['IDLE'], 'MOVING'],
  release: [['MOVING'], 'RELEASED'],
  forward: [['MOVING'], 'FORWARDED'],
  commit: [['FORWARDED'], 'UNCONFIRMED'],
  confirmed: [['UNCONFIRMED'], 'SETTLED'],
  doubt: [['UNCONFIRMED'], 'DOUBT'],
  resetAway: [['UNCONFIRMED', 'DOUBT'], 'SETTLED'],
  // Of a delivery that registers again, too, with another head.
  restore: [['IDLE', 'UNCONFIRMED', 'DOUBT', 'SETTLED'], 'REGAINED'],
};

const deliverySteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtDelivery[], to: AtDelivery]>>
> = {
  prepare: [['NONE'], 'prepared'],
  abandon: [['prepared'], 'over'],
  activate: [['prepared'], 'live'],
  refuse: [['live'], 'over'],
  outdated: [['live'], 'outdated'],
  give: [['live'], 'given'],
  stay: [['given'], 'live'],
  closed: [['live', 'given', 'outdated'], 'over'],
  serve: [['live', 'outdated'], 'live'],
};

interface Move {
  readonly name: string;
  /** Which head's. */
  pid?: number;
  head: AtHead;
  delivery: AtDelivery;
  deliveryThread?: Thread;
  isServed: boolean;
  /** The connection, and its ends. */
  connection?: string | undefined;
  ends?: string | undefined;
  adoptedAt: bigint;
  /** The head has reset its client when a delivery had it: that must be dead. */
  resetWhileLive?: Step;
}

/** Adopted in a rehearsal (delivery/remote/warm-up.ts). */
const REHEARSAL = 'm0';

export class Migrations implements Rules {
  readonly #fates: Fates;
  readonly #moves = new Map<string, Move>();
  /** The latest of each connection. */
  readonly #latest = new Map<string, Move>();
  /** When a head has last accepted a connection with these ends; and the ends of each connection. */
  readonly #acceptedAt = new Map<string, bigint>();
  readonly #endsOf = new Map<string, string>();
  readonly #liveAt = new Map<string, Set<Move>>();
  readonly #lastOf = new Map<Thread, bigint>();

  /** Names of connections that heads have restored of what was given back, and their ends. */
  readonly #restored = new Map<string, string>();

  constructor(fates: Fates) {
    this.#fates = fates;
  }

  /** The ends of a connection that a head has restored; undefined for any other. */
  restoredEnds(connection: string): string | undefined {
    return this.#restored.get(connection);
  }

  /** The head has let go of it, and gives or has given its word. */
  isLetGo(connection: string): boolean {
    return this.isAway(connection) && this.#latest.get(connection)!.head !== 'MOVING';
  }

  /** It is on its way, or gone. */
  isAway(connection: string): boolean {
    const head = this.#latest.get(connection)?.head ?? 'IDLE';
    return head !== 'IDLE' && head !== 'RELEASED';
  }

  take(step: Step): string | undefined {
    const { subject, transition, details, at, thread } = step;
    this.#lastOf.set(thread, at);
    if (transition === 'accept') {
      this.#acceptedAt.set(details[0]!, at);
      this.#endsOf.set(subject, details[0]!);
    }
    if (subject[0] !== 'm' || subject === REHEARSAL || transition === 'learn') return undefined;
    const move = this.#moveOf(step);
    return transition in headSteps
      ? this.#takeAtHead(move, step, transition as MigrationStep)
      : this.#takeAtDelivery(move, step);
  }

  #moveOf({ subject: name, transition, thread: { pid } }: Step): Move {
    let move = this.#moves.get(name);
    // Another head may come to the same number; what has it still is told from it by its delivery's refusal.
    if (transition === 'adopt' && move && move.pid !== pid && this.#isOver(move)) move = undefined;
    if (!move) {
      move = { name, head: 'IDLE', delivery: 'NONE', isServed: false, adoptedAt: 0n };
      this.#moves.set(name, move);
    }
    return move;
  }

  #isOver({ head, delivery, deliveryThread }: Move): boolean {
    const isSettled = head === 'RELEASED' || head === 'SETTLED';
    const hasNothing = delivery === 'NONE' || delivery === 'over';
    return (
      isSettled &&
      (hasNothing || (deliveryThread !== undefined && this.#fates.of(deliveryThread) === 'killed'))
    );
  }

  #takeAtHead(move: Move, step: Step, transition: MigrationStep): string | undefined {
    const [from, to] = headSteps[transition]!;
    // A worker hears over its lane that it lives, perhaps after the main thread has it back over the link: that says as much.
    if (transition === 'confirmed' && move.head === 'REGAINED') return undefined;
    if (!from.includes(move.head)) return `the head's is ${move.head}`;
    move.head = to;
    if (transition === 'resetAway' && move.delivery === 'live') move.resetWhileLive = step;
    if (transition === 'restore') return this.#restore(move, step);
    return transition === 'adopt' ? this.#adopt(move, step) : undefined;
  }

  #restore({ delivery, deliveryThread, ends: its }: Move, { details }: Step): string | undefined {
    const [connection, ends] = details;
    this.#restored.set(connection!, ends!);
    this.#endsOf.set(connection!, ends!);
    if (its !== undefined && its !== ends) return `it has other ends: ${its}`;
    if (delivery === 'given' || delivery === 'over' || !deliveryThread) return undefined;
    if (this.#fates.of(deliveryThread) === 'killed') return undefined;
    return `${deliveryThread.name} has not given it: there it is ${delivery}`;
  }

  #adopt(move: Move, { at, details, thread }: Step): string | undefined {
    const [connection, ends] = details;
    move.connection = connection;
    move.pid = thread.pid;
    move.ends = ends;
    move.adoptedAt = at;
    if (connection === undefined) return undefined;
    const before = this.#latest.get(connection);
    this.#latest.set(connection, move);
    if (before && before.head !== 'RELEASED') return `${connection} is on its way as ${before.name}`;
    const accepted = this.#endsOf.get(connection);
    const isOther = accepted !== undefined && accepted !== '-' && accepted !== ends;
    return isOther ? `${connection} has other ends: ${accepted}` : undefined;
  }

  #takeAtDelivery(move: Move, step: Step): string | undefined {
    const { transition, thread, details } = step;
    const [from, to] = deliverySteps[transition]!;
    if (!from.includes(move.delivery)) return `the delivery's is ${move.delivery}`;
    if (transition === 'prepare') {
      move.deliveryThread = thread;
      if (move.head === 'IDLE') return 'the head has not offered it';
      if (move.ends !== undefined && details[0] !== move.ends) return `it has other ends: ${move.ends}`;
    }
    if (thread !== move.deliveryThread) return `it is with ${move.deliveryThread?.name}`;
    if (transition === 'serve') {
      if (move.isServed) return 'it was served before';
      move.isServed = true;
      return undefined;
    }
    move.delivery = to;
    if (transition === 'stay' && move.head === 'REGAINED') return 'it was moved';
    if (transition !== 'activate') {
      if (to === 'over') this.#liveAt.get(move.ends ?? '')?.delete(move);
      return undefined;
    }
    const mayNot = ['IDLE', 'MOVING', 'RELEASED', 'FORWARDED'].includes(move.head);
    return mayNot ? `the head's is ${move.head}` : this.#live(move);
  }

  /**
   * Never two that live with the same ends, unless the head has accepted a new connection with them after the old one had gone:
   * then that is over by its client's own doing, and its delivery may be the last to learn of it.
   */
  #live(move: Move): string | undefined {
    if (move.ends === undefined) return undefined;
    const others = this.#liveAt.get(move.ends) ?? new Set();
    this.#liveAt.set(move.ends, others);
    const acceptedAt = this.#acceptedAt.get(move.ends) ?? 0n;
    const problem = [...others]
      .filter((other) => other.delivery === 'live' && !this.#mayBeDead(other))
      .find((other) => other.connection === move.connection || acceptedAt <= other.adoptedAt);
    others.add(move);
    return problem && `${problem.name} lives with the same ends, at ${problem.deliveryThread!.name}`;
  }

  #mayBeDead({ deliveryThread }: Move): boolean {
    return deliveryThread !== undefined && this.#fates.of(deliveryThread) === 'killed';
  }

  end(): string[] {
    const problems: string[] = [];
    for (const { name, deliveryThread, resetWhileLive } of this.#moves.values()) {
      if (resetWhileLive && this.#lastOf.get(deliveryThread!)! > resetWhileLive.at)
        problems.push(
          `${name}: reset at ${resetWhileLive.at} while ${deliveryThread!.name} had it, and lived`,
        );
    }
    return problems;
  }
}
