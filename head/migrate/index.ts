/**
 * The head's side of handing connections to other hosts: steering on its network card, the address at which remote
 * deliveries register, and the way from workers to their migrations.
 */
import { readMac } from '../../shared/addresses.ts';
import type { HeadSettings } from '../../shared/config.ts';
import type { Logger } from '../../shared/log.ts';
import type { MigrationStatus } from '../../shared/status.ts';
import { formatHostPort, type HostPort } from '../../shared/units.ts';
import type { Registry } from '../registry.ts';
import { guard, type Steering } from '../steer/index.ts';
import type { FromWorker, ToWorker } from '../worker-messages.ts';
import type { Entrance } from './entrance.ts';
import type { Flows } from './flows.ts';
import type { Ids } from './ids.ts';
import type { Measures } from './measures.ts';
import { type PreparedRemote, release } from './prepared.ts';
import { Standing } from './standing.ts';
import { Weighing } from './weighing.ts';
import type { WorkerLanes } from './worker-lanes.ts';

export { Entrance } from './entrance.ts';
export { checkRemote, type PreparedRemote, prepareRemote } from './prepared.ts';

/** When the head stops, deliveries have this long to confirm what they were given, milliseconds. */
const CONFIRM_WITHIN_MS = 1000;

interface RemoteParts {
  readonly settings: HeadSettings;
  /** Where clients connect. */
  readonly listen: HostPort;
  readonly prepared: PreparedRemote;
  /** Where deliveries come in; some may have. */
  readonly entrance: Entrance;
  readonly registry: Registry;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
  /** The highest number that a predecessor has given. */
  readonly lastId: number | undefined;
}

export class RemoteSide {
  readonly #lanes: WorkerLanes;
  readonly #steering: Steering;
  readonly #flows: Flows;
  readonly #ids: Ids;
  readonly #entrance: Entrance;
  readonly #standing: Standing;
  readonly #weighing: Weighing;
  readonly #log: Logger;
  readonly #stopGuarding: () => void;

  /** What is in the kernel's table is this head's from here on, and what deliveries say counts. */
  constructor({ settings, listen, prepared, entrance, registry, tell, log, lastId }: RemoteParts) {
    const { steering, ids } = prepared;
    const { deliveries, lanes } = entrance;
    const { measures } = entrance.migration;
    this.#log = log;
    this.#steering = steering;
    this.#ids = ids;
    this.#entrance = entrance;
    this.#lanes = lanes;
    if (lastId !== undefined) ids.follow(lastId);
    this.#flows = prepared.flows.begin();
    this.#weighing = new Weighing(settings.workers, tell);
    const standing = new Standing({
      steering,
      server: listen,
      holdMs: settings.holdUnknown,
      expected: settings.expect,
      readyWithinMs: settings.readyWithin,
      pingEveryMs: () => registry.pingEveryMs,
      deliveries: () => deliveries,
      unheardHosts: () => this.#flows.unheardHosts,
      log,
    });
    this.#standing = standing;
    const { adopted, capacity } = steering;
    const said = { control: this.control, interface: steering.interface.name, adopted, capacity };
    log.info({ ...said, flows: this.#flows.count }, 'steering');
    this.#stopGuarding = guard(steering, log, {
      onNeighbour(address, mac) {
        for (const delivery of deliveries)
          delivery.whereabouts.neighbourIs(address, readMac(Buffer.from(mac), 0));
      },
      onAddresses: () => standing.onAddresses(),
      onCards(isOwn) {
        if (isOwn) standing.unsure();
        for (const delivery of deliveries) void delivery.whereabouts.lookAgain();
      },
    });
    entrance.onLeft = () => standing.unsure();
    entrance.begin({
      ...{ steering, flows: this.#flows, measures, weighing: this.#weighing, listen },
      headBytes: settings.headBytes,
      // A successor that deliveries are sent to would have no word for what is given meanwhile.
      isActive: () => standing.isActive && !entrance.hasSent,
    });
  }

  /** True for what workers say of connections that are to move, that they move themselves, or that have come back. */
  onWorker(worker: number, message: FromWorker): boolean {
    if (message.type === 'weighed') this.#weighing.answered(message);
    else if (message.type === 'migrate') this.#migrate(worker, message);
    else return this.#lanes.onWorker(message);
    return true;
  }

  /** Of all threads. */
  get measures(): Measures {
    return this.#lanes.measures;
  }

  #migrate(worker: number, { slot, registration, fds, states }: FromWorker & { type: 'migrate' }): void {
    for (const delivery of this.#entrance.deliveries) {
      if (delivery.registration !== registration || delivery.slot !== slot) continue;
      return delivery.begin(worker, fds, states);
    }
    // It has gone: the worker is being told so, and gives these connections to others.
  }

  /** HOST:PORT at which deliveries register. */
  get control(): string {
    return formatHostPort(this.#entrance.address);
  }

  /** In words for a person; undefined when it knows what deliveries of other hosts have. */
  whyNotReady(): string | undefined {
    return this.#standing.whyNotReady();
  }

  status(): MigrationStatus {
    this.#lanes.read();
    const deliveries = [...this.#entrance.deliveries];
    return {
      control: this.control,
      interface: this.#steering.interface.name,
      outcomes: this.measures.outcomes,
      moving: deliveries.reduce((sum, delivery) => sum + delivery.moving, this.#lanes.pending),
      isActive: this.#standing.isActive,
      unknownHeld: this.#steering.unknownHeld,
      flows: { count: this.#flows.count, capacity: this.#steering.capacity, listed: this.#flows.list() },
    };
  }

  /** True when nothing is on its way any more and all that was given is confirmed; false when it is not within so many milliseconds. */
  async settle(withinMs = CONFIRM_WITHIN_MS): Promise<boolean> {
    const quiet = [...this.#entrance.deliveries].map((delivery) => delivery.quiet());
    const all = Promise.all([...quiet, this.#lanes.settle(withinMs)]);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), withinMs);
    const isOver = await Promise.race([all.then(() => this.#lanes.pending <= 0), promise]);
    clearTimeout(timer);
    return isOver;
  }

  /** The listener; it stays this side's. */
  get fd(): number {
    return this.#entrance.fd;
  }

  /**
   * A successor lets deliveries in from here on; the names of those that were asked to make a link to it beside the one here, which
   * goes on.
   */
  sendToSuccessor(): string[] {
    this.#flows.ending.hurry(true);
    return this.#entrance.sendToSuccessor();
  }

  /**
   * No more is begun, by no thread: what waits for its turn to be moved stays in its worker, and is passed on with it. What is
   * under way goes on. The highest number that was given.
   */
  freeze(): number {
    this.#ids.rest(true);
    return this.#ids.last;
  }

  /** After `sendToSuccessor`, or `freeze`: there is none. */
  thaw(): void {
    this.#flows.ending.hurry(false);
    this.#ids.rest(false);
    this.#entrance.resume();
  }

  /** A successor takes over: links end, and steering goes on as it is. `closeTable` follows when the workers have ended. */
  leave(): void {
    this.#stopGuarding();
    this.#standing.close();
    void this.#entrance.close();
    this.#flows.close();
    // Links end, and status is asked for, later than this; workers have the table until they end.
    this.#steering.retire();
  }

  closeTable(): void {
    this.#steering.close();
  }

  /** Leaves the steering at work for connections that live elsewhere; without any it is removed. */
  async close(): Promise<void> {
    this.#stopGuarding();
    this.#standing.close();
    await this.#entrance.close();
    this.#flows.close();
    const left = await release(this.#steering, this.#flows);
    if (left > 0)
      this.#log.info({ flows: left, table: this.#steering.path }, 'steering goes on without the head');
  }
}
