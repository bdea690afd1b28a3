/**
 * Holds the local handoff against docs/model/handoff.pml: the same states and steps. What the model leaves out (a client that
 * leaves before a choice, a connection that waits, one that moves to another host) has states of its own here.
 */
import type { Fates } from './fates.ts';
import { decline, leaves, regain, restored, withoutWord } from './given-back.ts';
import {
  advance,
  type Connection,
  endOf,
  hasSpoken,
  headSteps,
  type Lane,
  type Offer,
} from './local-states.ts';
import type { Migrations } from './migrations.ts';
import type { Rules, Step, Thread } from './steps.ts';
import { Tallies } from './tallies.ts';

export class LocalHandoff implements Rules {
  readonly #fates: Fates;
  readonly #migrations: Migrations;
  readonly connections = new Map<string, Connection>();
  /** What they are at the heads that had them before, until these have left them. */
  readonly #former = new Map<string, Connection>();
  readonly #lanes = new Map<string, Lane>();
  /** By what a delivery calls the connections of each. */
  readonly #sessions = new Map<string, Lane>();
  readonly #tallies = new Tallies();

  readonly #isStill: boolean;

  /** `isStill`: at the end nobody may wait for a word. */
  constructor(fates: Fates, migrations: Migrations, isStill: boolean) {
    this.#fates = fates;
    this.#isStill = isStill;
    this.#migrations = migrations;
  }

  take(step: Step): string | undefined {
    switch (step.subject[0]) {
      case 'c':
        return this.#takeAtHead(step);
      case 'l':
        return this.#takeOfLane(step);
      case 'a':
        return this.#takeArrived(step);
      default:
        return step.transition === 'counts' ? this.#compare(step) : undefined;
    }
  }

  // --- a connection, at its head ---

  #takeAtHead(step: Step): string | undefined {
    const { subject, transition, details, thread } = step;
    if (transition === 'accept') return this.#accept(step);
    if (transition === 'succeed') return this.#succeed(step);
    const now = this.connections.get(subject);
    if (transition === 'decline') return decline(step, now, this.#lanes.values(), this.#fates);
    if (transition === 'regain') return this.#regain(step, now);
    const former = this.#former.get(subject);
    const isFormer = former?.owner === thread && now?.owner !== thread;
    const connection = isFormer ? former : now;
    if (!connection) return 'nobody has accepted it';
    if (thread !== connection.owner) return `it is with ${connection.owner.name}`;
    const isLeft = transition === 'pass' || (transition === 'close' && connection.isPassed);
    if (isFormer && !isLeft) return `it is its successor's`;
    const [from, to] = headSteps[transition]!;
    if (!from.includes(connection.state)) return `the head's is ${connection.state}`;
    connection.state = to;
    const tally = this.#tallies.of(thread);
    switch (transition) {
      case 'pass':
        connection.isPassed = true;
        return undefined;
      case 'move':
        return leaves(connection, details[0]!);
      case 'offer':
        return this.#offer(connection, details[0]!, details[1]!);
      case 'hearTaken':
      case 'hearReturned':
      case 'takeBack':
        if (transition === 'hearTaken') tally.outcomes++;
        return this.#settle(connection, transition, details[0]!, details[1]!);
      case 'moved':
        tally.outcomes++;
        return this.#migrations.isLetGo(subject) ? undefined : 'the head has not let go of it';
      case 'kept':
        return this.#migrations.isAway(subject) ? 'the head has let go of it' : undefined;
      case 'answer':
        tally.outcomes++;
        return undefined;
      case 'fail':
        tally.failures++;
    }
    return undefined;
  }

  #accept({ subject, details, thread }: Step): string | undefined {
    if (this.connections.has(subject)) return 'it was accepted before';
    this.connections.set(subject, { name: subject, ends: details[0]!, owner: thread, state: 'TO_PLACE' });
    this.#tallies.of(thread).accepted++;
    return undefined;
  }

  #regain(step: Step, before: Connection | undefined): string | undefined {
    const ends = before ? undefined : this.#migrations.restoredEnds(step.subject);
    const { connection, problem } =
      ends === undefined ? regain(step, before, this.#fates) : restored(step, ends);
    this.connections.set(step.subject, connection);
    this.#tallies.of(step.thread).accepted++;
    return problem;
  }

  /** Nobody is asked whether the one before knows of it: that one may be dead, and writes on nothing that it has passed. */
  #succeed({ subject, details, thread }: Step): string | undefined {
    const before = this.connections.get(subject);
    const isCounted = details[0] === 'counted';
    const state = isCounted ? 'FALLBACK' : 'TO_PLACE';
    this.connections.set(subject, { name: subject, ends: before?.ends ?? '-', owner: thread, state });
    if (!isCounted) this.#tallies.of(thread).accepted++;
    if (!before) return undefined;
    if (before.owner === thread) return 'it is its own predecessor';
    this.#former.set(subject, before);
    const [from] = headSteps.pass!;
    return before.isPassed || from.includes(before.state)
      ? undefined
      : `it comes of a head where it is ${before.state}`;
  }

  #offer(connection: Connection, laneName: string, number: string): string | undefined {
    const lane = this.#lanes.get(laneName);
    if (!lane) return `there is no lane ${laneName}`;
    if (lane.head !== connection.owner) return `${laneName} is a lane of ${lane.head.name}`;
    if (lane.phase !== 'open') return `${laneName} is ${lane.phase}`;
    if (lane.offers.has(number)) return `${number} was offered on ${laneName} before`;
    const offer: Offer = { lane, connection, at: 'OFFERED', isSettled: false };
    lane.offers.set(number, offer);
    connection.offer = offer;
    return leaves(connection, lane.slot);
  }

  #settle(
    { offer }: Connection,
    how: 'hearTaken' | 'hearReturned' | 'takeBack',
    laneName: string,
    number: string,
  ): string | undefined {
    const lane = this.#lanes.get(laneName);
    if (!offer || offer !== lane?.offers.get(number)) return `it is not ${number} on ${laneName}`;
    offer.isSettled = true;
    if (how === 'takeBack') {
      if (lane.phase !== 'emptied') return `${laneName} is ${lane.phase}`;
      const wasSaid = hasSpoken(offer) || offer.at === 'RETURNED';
      return wasSaid ? `${lane.delivery!.name} had said in time that it is ${offer.at}` : undefined;
    }
    if (lane.phase === 'emptied') return `${laneName} is emptied`;
    if (how === 'hearTaken') lane.taken++;
    const isSaid = how === 'hearTaken' ? hasSpoken(offer) : offer.at === 'RETURNED';
    if (isSaid || !this.#tellsAll(lane.delivery)) return undefined;
    return `${lane.delivery!.name} has not said so: there it is ${offer.at}`;
  }

  /** A delivery that writes what it does, and of which no line is missing. */
  #tellsAll(delivery: Thread | undefined): boolean {
    return delivery !== undefined && this.#fates.of(delivery) !== 'killed';
  }

  // --- a lane ---

  #takeOfLane(step: Step): string | undefined {
    const { subject, transition, details, thread } = step;
    if (transition === 'open') return this.#open(step);
    const lane = this.#lanes.get(subject);
    if (!lane) return 'no head has opened it';
    const count = Number(details[0]);
    switch (transition) {
      case 'join':
        if (lane.delivery) return `it is with ${lane.delivery.name}`;
        lane.delivery = thread;
        this.#sessions.set(details[0]!, lane);
        return undefined;
      case 'take':
      case 'drop':
      case 'return':
      case 'ended':
      case 'leave':
        if (thread !== lane.delivery) return `it is with ${lane.delivery?.name ?? 'nobody'}`;
        return this.#takeAtDelivery(lane, step);
      default:
        break;
    }
    if (thread !== lane.head) return `it is a lane of ${lane.head.name}`;
    if (lane.phase === 'emptied') return 'it is emptied';
    switch (transition) {
      case 'shutdown':
        if (lane.phase !== 'open') return `it is ${lane.phase}`;
        lane.phase = 'shutdown';
        return undefined;
      case 'emptied':
        if (lane.phase !== 'shutdown') return `it is ${lane.phase}`;
        lane.phase = 'emptied';
        return undefined;
      case 'hearLate':
        this.#tallies.of(thread).late++;
        return lane.delivery ? `${lane.delivery.name} says nothing twice` : undefined;
      default: {
        lane.heardEnded += count;
        if (lane.heardEnded > lane.taken) return 'more have ended than were taken';
        const isMore = lane.heardEnded > lane.saidEnded && this.#tellsAll(lane.delivery);
        return isMore ? `${lane.delivery!.name} has said so of ${lane.saidEnded}` : undefined;
      }
    }
  }

  #open({ subject, thread, details }: Step): string | undefined {
    if (this.#lanes.has(subject)) return 'it was opened before';
    const nothing = { taken: 0, finished: 0, saidEnded: 0, heardEnded: 0 };
    const state = { phase: 'open' as const, hasLeft: false, ...nothing };
    this.#lanes.set(subject, { name: subject, head: thread, slot: details[0]!, offers: new Map(), ...state });
    return undefined;
  }

  // --- a connection, at a delivery ---

  #takeAtDelivery(lane: Lane, { transition, details }: Step): string | undefined {
    if (lane.hasLeft) return 'it has left it';
    if (transition === 'leave') {
      lane.hasLeft = true;
      return undefined;
    }
    if (transition !== 'drop' && lane.phase !== 'open') return `it could not say so: it is ${lane.phase}`;
    if (transition === 'ended') {
      lane.saidEnded += Number(details[0]);
      return lane.saidEnded > lane.finished ? `of its connections ${lane.finished} have ended` : undefined;
    }
    const [number, name] = details;
    const offer = lane.offers.get(number!);
    if (!offer) return `${number} was not offered`;
    if (name !== undefined && name !== offer.connection.name)
      return `${number} is ${offer.connection.name}, and came as ${name}`;
    const problem = advance(offer, transition);
    if (problem !== undefined || transition === 'drop') return problem;
    const { state } = offer.connection;
    const isThere = state === 'OFFERED' && offer.connection.offer === offer;
    return isThere ? undefined : `the head's is ${state}`;
  }

  #takeArrived({ subject, transition, thread }: Step): string | undefined {
    const [, session, number] = /^a(.*)-(\d+)$/.exec(subject) ?? [];
    const lane = this.#sessions.get(session ?? '');
    if (lane?.delivery !== thread) return `it is none of the lanes of ${thread.name}`;
    const offer = lane.offers.get(number!);
    if (!offer) return 'it was not offered';
    if (transition === 'finish') lane.finished++;
    return advance(offer, transition);
  }

  // --- accounts ---

  #compare({ thread, details }: Step): string | undefined {
    const own = [...this.connections.values(), ...this.#former.values()].filter(
      ({ owner, state }) => owner === thread && state !== 'CLOSED',
    );
    return this.#tallies.compare(thread, own.length, details);
  }

  end(): string[] {
    const problems: string[] = [];
    for (const { name, state, owner } of [...this.connections.values(), ...this.#former.values()]) {
      // One that is moving is in the main thread's hands, which goes on a little longer.
      if (this.#fates.of(owner) === 'ended' && state !== 'CLOSED' && state !== 'MOVING')
        problems.push(`${name}: ${owner.name} has ended, and it is ${state}`);
    }
    const isKilled = [...this.#tallies.threads()].some((thread) => this.#fates.of(thread) === 'killed');
    if (!isKilled && !this.#fates.isAnySuccessorKilled())
      for (const { name, isPassed } of this.connections.values())
        if (isPassed) problems.push(`${name}: it was passed on, and nobody has got it`);
    for (const lane of this.#lanes.values()) {
      if (this.#fates.of(lane.head) === 'ended')
        for (const problem of endOf(lane)) problems.push(`${lane.name}: ${problem}`);
      if (this.#isStill && this.#tellsAll(lane.delivery))
        for (const problem of withoutWord(lane, this.#fates)) problems.push(`${lane.name}: ${problem}`);
    }
    for (const thread of this.#tallies.withoutAccounts())
      if (this.#fates.of(thread) === 'ended') problems.push(`${thread.name}: has no accounts`);
    return problems;
  }
}
