/**
 * The deliveries of a head: who has registered, in which slot of the scoreboard, and in what state. Lives on the main
 * thread; what it decides it writes on the scoreboard (at once, for all workers) and tells the workers (in order). How a
 * delivery came, and how it is talked to, is its registrant's to know: local-delivery.ts and migrate/remote-delivery.ts.
 */
import { BatonError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { DeliveryStatus } from '../shared/status.ts';
import { trace } from '../shared/trace.ts';
import type { Drained } from './drained.ts';
import { Places } from './places.ts';
import {
  type RegisteredDelivery as Delivery,
  statusOf,
  sumFor,
  traceMember,
  traceVacated,
} from './registered-delivery.ts';
import type { Prepared, Registrant, Registration } from './registrant.ts';
import { type RegistryTimes, Rounds } from './rounds.ts';
import { DOWN, DRAINING, type Scoreboard, UP, type WorkerCounters } from './scoreboard.ts';
import { Slots } from './slots.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

export interface RegistryParts {
  readonly scoreboard: Scoreboard;
  readonly rows: readonly WorkerCounters[];
  /** Tells one worker. */
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly times: RegistryTimes;
  /** Whom an operator has drained. */
  readonly drained: Drained;
  /** Called whenever a delivery is up: one that is drained is not. */
  readonly onUp: () => void;
  /** Called whenever one has come, has gone, or drains or not. */
  readonly onChange: () => void;
  readonly log: Logger;
}

export class Registry {
  readonly #parts: RegistryParts;
  readonly #workers: number;
  readonly #slots: Slots;
  readonly #rounds: Rounds;
  readonly #places: Places;
  #closed = false;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#workers = parts.rows.length;
    this.#slots = new Slots(parts.rows);
    this.#rounds = new Rounds({
      times: parts.times,
      ping: () => this.#ping(),
      forget: (before) => this.#slots.forget(before),
      stoodStill: () => {
        for (const delivery of this.#slots.all) delivery.lastHeard = performance.now();
      },
    });
    this.#places = new Places({
      ...{ slots: this.#slots, workers: this.#workers, scoreboard: parts.scoreboard, tell: parts.tell },
      times: () => this.#rounds.times,
      isClosed: () => this.#closed,
    });
  }

  get pingEveryMs(): number {
    return this.#rounds.pingEveryMs;
  }

  /** Goes by these from here on, for those that are there as well. */
  setTimes(times: RegistryTimes): void {
    if (!this.#closed) this.#rounds.setTimes(times);
  }

  /** `prepare`, and its welcome at once; undefined when it left meanwhile. */
  register(registrant: Registrant): Promise<Registration | undefined> {
    return this.#places.take(registrant, (delivery) => delivery && this.#begin(delivery));
  }

  /**
   * Resolves when every worker knows the delivery, so that from its first moment it can be given connections; with undefined when
   * it left meanwhile. Throws NAME_TAKEN and HEAD_FULL.
   */
  prepare(registrant: Registrant): Promise<Prepared | undefined> {
    return this.#places.take(registrant, (delivery) => {
      if (!delivery) return undefined;
      const { slot } = delivery;
      return { slot, begin: () => this.#begin(delivery), drop: () => this.#drop(delivery) };
    });
  }

  #begin(delivery: Delivery): Registration | undefined {
    const { scoreboard, log } = this.#parts;
    const { slot, introduction, registrant } = delivery;
    const { name, pid, credits, direct, serves } = introduction;
    if (delivery.admission !== 'expected') return undefined;
    delivery.admission = 'begun';
    const { transport } = registrant;
    if (transport === 'migrate') traceMember(delivery);
    const isWaiting = registrant.isWaiting && !this.#closed;
    const isDrained = this.#parts.drained.has(name);
    // Up before it can know it: what it sends a client to do may arrive before this thread goes on.
    if (isWaiting) scoreboard.setState(slot, isDrained ? DRAINING : UP);
    if (!isWaiting || !registrant.welcome()) {
      scoreboard.setState(slot, DOWN);
      delivery.downSince = performance.now();
      this.#leaveWorkers(delivery);
      if (isWaiting) throw new BatonError('PROTOCOL', { problem: 'it did not take its welcome' });
      return undefined;
    }
    delivery.state = isDrained ? 'draining' : 'up';
    delivery.lastHeard = performance.now();
    log.info({ delivery: name, deliveryPid: pid, transport, direct, serves, credits }, 'delivery joined');
    if (isDrained)
      log.warn({ delivery: name }, `it is still drained, as somebody wished: baton undrain ${name}`);
    else this.#parts.onUp();
    this.#parts.onChange();
    return {
      slot,
      heard: () => {
        delivery.lastHeard = performance.now();
      },
      pong: (count, left) => {
        delivery.left = left;
        scoreboard.setDirectOpen(slot, count);
      },
      // What a delivery that was dropped still says counts for nothing: its slot may be another's.
      ended: (count) => {
        if (delivery.state === 'down') return;
        trace?.say(`s${slot}`, 'former', count);
        scoreboard.giveCredits(slot, count);
      },
      elsewhere: (count) => {
        if (delivery.state === 'down') return;
        scoreboard.useCredits(slot, count);
        trace?.say(`s${slot}`, 'elsewhere', count);
      },
      draining: () => this.#leave(delivery),
      end: (reason) => this.#remove(delivery, reason),
    };
  }

  #drop(delivery: Delivery): void {
    if (delivery.admission !== 'expected') return;
    delivery.admission = 'dropped';
    delivery.downSince = performance.now();
    this.#leaveWorkers(delivery);
  }

  /** It takes leave: it is told when nothing is on its way any more. */
  #leave(delivery: Delivery): void {
    if (delivery.leaving || delivery.state === 'down') return;
    delivery.leaving = true;
    this.#setDraining(delivery, true);
    delivery.awaited = this.#workers;
    this.#tellAll({ type: 'quiesce', slot: delivery.slot });
  }

  #tellAll(message: ToWorker): void {
    for (let worker = 0; worker < this.#workers; worker++) this.#parts.tell(worker, message);
  }

  /** What a worker says about a delivery. */
  onWorker(message: FromWorker): void {
    if (!('slot' in message)) return;
    const delivery = this.#slots.at(message.slot);
    if (!delivery) return;
    const { name } = delivery.introduction;
    switch (message.type) {
      case 'stalled':
        this.#mayStay(delivery, true);
        return;
      case 'broken':
        this.#parts.log.warn({ delivery: name }, message.problem);
        return this.#remove(delivery, message.problem);
      case 'quiet':
        if (delivery.state !== 'draining') return;
        if (--delivery.awaited === 0) delivery.registrant.drained();
        return;
      case 'left':
        delivery.moved += message.moved;
        if (delivery.awaited === 1) traceVacated(delivery, this.#parts.scoreboard);
        this.#settleOne(delivery);
        if (delivery.awaited === 0 && delivery.moved > 0) {
          this.#parts.log.info({ delivery: name, moved: delivery.moved }, 'untaken connections moved');
          delivery.moved = 0;
        }
        return;
      case 'joined':
        return this.#settleOne(delivery);
    }
  }

  #settleOne(delivery: Delivery): void {
    if (--delivery.awaited === 0) for (const resolve of delivery.whenSettled.splice(0)) resolve();
  }

  #leaveWorkers(delivery: Delivery, successor = false): void {
    delivery.awaited = this.#workers;
    this.#tellAll({ type: 'leave', slot: delivery.slot, successor });
  }

  /** Lets a delivery go: nothing more is given to it, and what it had not taken goes to others. */
  #remove(delivery: Delivery, reason: string, successor = false): void {
    if (delivery.state === 'down') return;
    delivery.state = 'down';
    delivery.downSince = performance.now();
    // It is there for whom the TLS thread still speaks with: such a client is sent to its direct address.
    if (!successor) this.#parts.scoreboard.setState(delivery.slot, DOWN);
    // First of all what it had goes to others.
    delivery.registrant.dismiss(reason, successor);
    this.#leaveWorkers(delivery, successor);
    const { name, pid } = delivery.introduction;
    this.#parts.log.info({ delivery: name, deliveryPid: pid, reason }, 'delivery left');
    this.#parts.onChange();
  }

  #ping(): void {
    for (const delivery of this.#slots.registered)
      if (this.#mayStay(delivery, false)) delivery.registrant.ping();
  }

  /** Lets a delivery go that is dead (false). `leavesUntaken`: a worker has something that it does not take. */
  #mayStay(delivery: Delivery, leavesUntaken: boolean): boolean {
    if (delivery.state === 'down') return false;
    const { slot, lastHeard } = delivery;
    const reason = delivery.liveness.judge({
      now: performance.now(),
      lastHeard,
      progress: sumFor(this.#parts.rows, slot, 'taken') + sumFor(this.#parts.rows, slot, 'returned'),
      leavesUntaken,
      isLast: !this.#slots.all.some((other) => other.state === 'up' && other !== delivery),
    });
    if (reason) this.#remove(delivery, reason);
    return reason === undefined;
  }

  /**
   * An operator's wish: give it nothing more, or again. It holds for the name, whoever has it and however often it comes
   * and goes. `move`: what it has goes to others, as long as this registration lasts; whether it can. Throws UNKNOWN_DELIVERY.
   */
  drain(name: string, on: boolean, move = false): boolean {
    const delivery = this.#slots.of(name);
    if (!delivery && !this.#parts.drained.has(name))
      throw new BatonError('UNKNOWN_DELIVERY', { name, known: this.names.join(', ') || 'none' });
    this.#parts.drained.set(name, on);
    if (!delivery || delivery.state === 'down') return false;
    if (!delivery.leaving) this.#setDraining(delivery, on);
    delivery.registrant.move?.(on && move);
    return delivery.registrant.move !== undefined;
  }

  #setDraining(delivery: Delivery, on: boolean): void {
    delivery.state = on ? 'draining' : 'up';
    this.#parts.scoreboard.setState(delivery.slot, on ? DRAINING : UP);
    const said = on ? 'delivery drains' : 'delivery no longer drains';
    this.#parts.log.info({ delivery: delivery.introduction.name }, said);
    if (!on) this.#parts.onUp();
    this.#parts.onChange();
  }

  status(): DeliveryStatus[] {
    const { rows, scoreboard } = this.#parts;
    return this.#slots.all.map((delivery) => statusOf(delivery, rows, scoreboard));
  }

  /** Those that have not gone. */
  get members(): readonly Delivery[] {
    return this.#slots.registered;
  }

  /** The names of those that can be given something. */
  get upNames(): string[] {
    return this.members.filter(({ state }) => state === 'up').map(({ introduction }) => introduction.name);
  }

  /** The names of those that are registered. */
  get names(): string[] {
    return this.#slots.registered.map(({ introduction }) => introduction.name);
  }

  /** Says good-bye to all: nothing is on its way to them any more, or there is a `successor` that waits for them. */
  close(successor = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rounds.close();
    const reason = successor ? 'another head takes over' : 'the head stops';
    for (const delivery of this.#slots.all) this.#remove(delivery, reason, successor);
  }
}
