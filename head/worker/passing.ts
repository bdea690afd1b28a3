/**
 * Passing a worker's connections to the next head, and getting those of the one before.
 *
 *     freeze -> `frozen` -> depart -> collect -> `rest` -> release
 *                 `-> thaw
 *
 * A frozen worker accepts nobody, looks at nothing and closes nothing, so that what it has told stays as it is; lanes and the main
 * thread go on. After `thaw` nothing has happened.
 */
import type { FromWorker, PassedConnection } from '../worker-messages.ts';
import type { Clock } from './clock.ts';
import { type Connections, LINGERING, READING, WRITING } from './connections.ts';
import type { Lanes } from './lanes.ts';
import type { Linger } from './linger.ts';
import type { Listener } from './listener.ts';
import type { Outbox } from './outbox.ts';
import type { Postponed } from './postponed.ts';
import type { RequestReader } from './reader.ts';
import { steps } from './steps.ts';

export interface PassingParts {
  readonly connections: Connections;
  readonly listeners: readonly Listener[];
  readonly reader: RequestReader;
  readonly postponed: Postponed;
  readonly outbox: Outbox;
  readonly linger: Linger;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly tell: (message: FromWorker) => void;
  /** What epoll said of a connection meanwhile. */
  readonly onEvent: (fd: number, events: number) => void;
}

export class Passing {
  readonly #parts: PassingParts;
  #state: 'no' | 'freezing' | 'frozen' | 'departing' | 'released' = 'no';
  #round = 0;
  /** Those that were told. */
  #told = new Set<number>();
  #returned: number[] = [];
  /** Input is reported once: by fd, with the generation and the events. */
  readonly #missed = new Map<number, { readonly generation: number; readonly events: number }>();
  /** Those of the head before, until there are deliveries. */
  #adopted: PassedConnection[] | undefined = [];

  constructor(parts: PassingParts) {
    this.#parts = parts;
  }

  /** Nothing is to be looked at, answered or ended. */
  get isFrozen(): boolean {
    return this.#state !== 'no';
  }

  /** They are another head's. */
  get isReleased(): boolean {
    return this.#state === 'released';
  }

  freeze(round: number): void {
    if (this.#state !== 'no') return;
    this.#round = round;
    this.#state = 'freezing';
    for (const listener of this.#parts.listeners) listener.freeze();
  }

  /** All that this wake-up had begun is done. */
  settled(): void {
    if (this.#state !== 'freezing') return;
    this.#state = 'frozen';
    const connections = this.#held().map((fd) => this.#describe(fd));
    this.#told = new Set(connections.map(({ fd }) => fd));
    this.#parts.tell({ type: 'frozen', round: this.#round, connections });
  }

  /** An event of a connection, which has to wait. */
  miss(fd: number, generation: number, events: number): void {
    const before = this.#missed.get(fd)?.events ?? 0;
    if (this.#parts.connections.state(fd) === READING)
      this.#missed.set(fd, { generation, events: before | events });
  }

  thaw(): void {
    if (this.#state !== 'freezing' && this.#state !== 'frozen') return;
    this.#state = 'no';
    for (const listener of this.#parts.listeners) listener.thaw();
    const { connections, onEvent } = this.#parts;
    for (const [fd, { generation, events }] of this.#missed)
      if (connections.isCurrent(fd, generation)) onEvent(fd, events);
    this.#missed.clear();
  }

  depart(): void {
    this.#state = 'departing';
    this.#parts.lanes.keepReturned((fd) => this.#returned.push(fd));
  }

  collect(): void {
    const late = this.#held().filter((fd) => !this.#told.has(fd));
    for (const fd of this.#returned) this.#parts.connections.setState(fd, READING);
    const rest = [...late, ...this.#returned];
    for (const fd of rest) this.#told.add(fd);
    this.#returned = [];
    this.#parts.tell({ type: 'rest', connections: rest.map((fd) => this.#describe(fd)) });
  }

  release(): void {
    this.#state = 'released';
    const { connections, listeners } = this.#parts;
    for (const listener of listeners) listener.release();
    for (const fd of this.#told) {
      // The successor's copy keeps the open file, and with it what epoll watches of it.
      connections.unwatch(fd);
      steps?.pass(fd);
      connections.close(fd);
    }
    this.#told.clear();
  }

  #held(): number[] {
    const { reader, postponed, outbox, linger } = this.#parts;
    return [...reader.all, ...postponed.all, ...outbox.all, ...linger.all];
  }

  #describe(fd: number): PassedConnection {
    const { connections: of, clock, outbox } = this.#parts;
    const state = of.state(fd);
    return {
      fd,
      state: state === LINGERING ? 'lingering' : state === WRITING ? 'writing' : 'reading',
      mode: of.mode[fd]!,
      ageMs: Math.max(0, clock.now - of.acceptedAt[fd]!),
      waitedMs: Math.max(0, clock.now - of.links.since[fd]!),
      addressHash: of.addressHash[fd]!,
      attempts: of.attempts[fd]!,
      discarded: of.discarded[fd]!,
      rest: state === WRITING ? outbox.restOf(fd) : undefined,
    };
  }

  /** Those that have their answers go on at once; the others when there are deliveries, as visitors do. */
  adopt(connections: readonly PassedConnection[]): void {
    const reading: PassedConnection[] = [];
    for (const one of connections) {
      this.#open(one);
      if (one.state === 'reading') reading.push(one);
      else if (one.state === 'lingering') this.#parts.linger.resume(one.fd, this.#parts.clock.now);
      else this.#parts.outbox.resume(one.fd, Buffer.from(one.rest ?? []));
    }
    if (this.#adopted) this.#adopted.push(...reading);
    else for (const { fd } of reading) this.#parts.reader.resume(fd, this.#parts.clock.now);
  }

  #open({ fd, mode, ageMs, addressHash, attempts, discarded, state }: PassedConnection): void {
    const { connections: of, clock } = this.#parts;
    of.adopt(fd, mode, clock.now - ageMs, addressHash, state !== 'reading');
    of.attempts[fd] = attempts;
    of.discarded[fd] = discarded;
  }

  /** Connections may be handed over from now on, or there is no time left in which that could come. */
  accept(): void {
    const waiting = this.#adopted?.toSorted((a, b) => b.waitedMs - a.waitedMs) ?? [];
    this.#adopted = undefined;
    for (const { fd, waitedMs } of waiting) this.#parts.reader.resume(fd, this.#parts.clock.now - waitedMs);
  }
}
