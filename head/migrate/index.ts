/**
 * The head's side of handing connections to other hosts: steering on its network card, the address at which remote
 * deliveries register, and the way from workers to their migrations.
 */
import { readMac } from '../../shared/addresses.ts';
import type { HeadSettings } from '../../shared/config.ts';
import type { Logger } from '../../shared/log.ts';
import type { MigrationStatus } from '../../shared/status.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../../shared/units.ts';
import { type LinkServer, listenForLinks } from '../../shared/wire/remote/link.ts';
import type { Registry } from '../registry.ts';
import { guard, type Steering } from '../steer/index.ts';
import type { FromWorker, ToWorker } from '../worker-messages.ts';
import type { Flows } from './flows.ts';
import type { Ids } from './ids.ts';
import { Measures } from './measures.ts';
import type { PreparedRemote } from './prepare.ts';
import { RemoteDelivery } from './remote-delivery.ts';
import { Standing } from './standing.ts';
import { rehearse } from './warm-up.ts';
import { WorkerLanes } from './worker-lanes.ts';

/** A link is not heard for this long, milliseconds, when the other host has gone; a frozen process is found by pings. */
const LINK_IDLE_MS = 10_000;
/** When the head stops, deliveries have this long to confirm what they were given, milliseconds. */
const CONFIRM_WITHIN_MS = 1000;

/** `listen`: where clients connect; `inherited`: a socket that listens at `--control` already. Throws a BatonError. */
export async function openRemote(
  settings: HeadSettings,
  listen: HostPort,
  prepared: PreparedRemote,
  registry: Registry,
  tell: (worker: number, message: ToWorker) => void,
  log: Logger,
  inherited: number | undefined,
): Promise<RemoteSide> {
  return await RemoteSide.open({
    ...prepared,
    control: parseHostPort(settings.control!)!,
    settings,
    listen,
    registry,
    tell,
    log,
    inherited,
  });
}

interface RemoteParts {
  readonly control: HostPort;
  /** A socket that listens there already. */
  readonly inherited: number | undefined;
  readonly secret: Buffer;
  readonly steering: Steering;
  readonly flows: Flows;
  readonly ids: Ids;
  readonly settings: HeadSettings;
  /** Where clients connect. */
  readonly listen: HostPort;
  readonly registry: Registry;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
}

export class RemoteSide {
  readonly #lanes: WorkerLanes;
  readonly #steering: Steering;
  readonly #flows: Flows;
  readonly #links: LinkServer;
  readonly #deliveries: Set<RemoteDelivery>;
  readonly #standing: Standing;
  readonly #log: Logger;
  readonly #stopGuarding: () => void;

  private constructor(own: {
    steering: Steering;
    flows: Flows;
    lanes: WorkerLanes;
    links: LinkServer;
    deliveries: Set<RemoteDelivery>;
    standing: Standing;
    log: Logger;
    stopGuarding: () => void;
  }) {
    this.#steering = own.steering;
    this.#flows = own.flows;
    this.#lanes = own.lanes;
    this.#links = own.links;
    this.#deliveries = own.deliveries;
    this.#standing = own.standing;
    this.#log = own.log;
    this.#stopGuarding = own.stopGuarding;
  }

  /** Throws a BatonError that says what this host lacks. */
  static async open(parts: RemoteParts): Promise<RemoteSide> {
    const { registry, tell, log, settings, secret, steering, ids } = parts;
    const flows = parts.flows.begin();
    const measures = new Measures();
    const migration = { steering, flows, measures, adoptTimeoutMs: settings.adoptTimeout, ids };
    const lanes = new WorkerLanes({ ...migration, workers: settings.workers, tell });
    const deliveries = new Set<RemoteDelivery>();
    const standing = new Standing({
      steering,
      server: parts.listen,
      holdMs: settings.holdUnknown,
      expected: settings.expect,
      readyWithinMs: settings.readyWithin,
      pingEveryMs: () => registry.pingEveryMs,
      deliveries: () => deliveries,
      unheardHosts: () => flows.unheardHosts,
      log,
    });
    // What is unknown is held by now: this takes a while, and the address may come meanwhile.
    rehearse(migration);
    let registrations = 0;
    try {
      const links = await listenForLinks(
        parts.control,
        '--control',
        { secret, idleMs: LINK_IDLE_MS },
        {
          onLink(link) {
            const forget = () => {
              deliveries.delete(delivery);
              if (delivery.hasTold) standing.unsure();
            };
            const delivery = new RemoteDelivery(
              link,
              ++registrations,
              { registry, migration, lanes, tell, log },
              forget,
            );
            deliveries.add(delivery);
            return delivery;
          },
          onRefused: (peer, reason) => log.warn({ peer }, `a remote delivery was refused: ${reason}`),
        },
        parts.inherited,
      );
      const { adopted, capacity } = steering;
      const control = formatHostPort(links.address);
      log.info(
        { control, interface: steering.interface.name, adopted, flows: flows.count, capacity },
        'steering',
      );
      const stopGuarding = guard(steering, log, {
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
      return new RemoteSide({ steering, flows, lanes, links, deliveries, standing, log, stopGuarding });
    } catch (error) {
      standing.close();
      lanes.close();
      flows.close();
      await release(steering, flows);
      throw error;
    }
  }

  /** True for what workers say of connections that are to move, or that they move themselves. */
  onWorker(worker: number, message: FromWorker): boolean {
    if (message.type !== 'migrate') return this.#lanes.onWorker(message);
    const { slot, registration, fds } = message;
    for (const delivery of this.#deliveries)
      if (delivery.registration === registration && delivery.slot === slot) delivery.begin(worker, fds);
    // Or it has gone: the worker is being told so, and gives these connections to others.
    return true;
  }

  /** Of all threads. */
  get measures(): Measures {
    return this.#lanes.measures;
  }

  /** HOST:PORT at which deliveries register. */
  get control(): string {
    return formatHostPort(this.#links.address);
  }

  /** In words for a person; undefined when it knows what deliveries of other hosts have. */
  whyNotReady(): string | undefined {
    return this.#standing.whyNotReady();
  }

  status(): MigrationStatus {
    this.#lanes.read();
    const deliveries = [...this.#deliveries];
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

  /** The workers have stopped: what was given is confirmed, then every delivery is dropped by the registry. */
  async settle(withinMs = CONFIRM_WITHIN_MS): Promise<void> {
    const quiet = Promise.all([...this.#deliveries].map((delivery) => delivery.quiet()));
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    await Promise.race([Promise.all([quiet, this.#lanes.settle(withinMs)]), promise]);
    clearTimeout(timer);
  }

  /** The listener; it stays this side's. */
  get fd(): number {
    return this.#links.fd;
  }

  /** A successor takes over: links end, and steering goes on as it is. */
  leave(): void {
    this.#stopGuarding();
    this.#standing.close();
    for (const delivery of this.#deliveries) delivery.cutOff();
    this.#lanes.close();
    this.#flows.close();
    this.#steering.close();
    // Who is in the midst of a handshake begins anew.
    void this.#links.close();
  }

  /** Leaves the steering at work for connections that live elsewhere; without any it is removed. */
  async close(): Promise<void> {
    this.#stopGuarding();
    this.#standing.close();
    for (const delivery of this.#deliveries) delivery.cutOff();
    await this.#links.close();
    this.#lanes.close();
    this.#flows.close();
    const left = await release(this.#steering, this.#flows);
    if (left > 0)
      this.#log.info({ flows: left, table: this.#steering.path }, 'steering goes on without the head');
  }
}

/** How many flows are still steered. */
async function release(steering: Steering, flows: Flows): Promise<number> {
  const { count } = flows;
  if (count > 0) steering.close();
  else await steering.detach();
  return count;
}
