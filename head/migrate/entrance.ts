/**
 * Where deliveries of other hosts come in. A head that is about to take over lets them in before it is the head: they make their
 * links, say who they are and what they have, and are registered when it is. Its predecessor has sent them, and lets nobody in
 * meanwhile: who comes to the address that both listen at comes to the successor.
 */
import type { HeadSettings } from '../../shared/config.ts';
import type { Logger } from '../../shared/log.ts';
import { parseHostPort } from '../../shared/units.ts';
import { type LinkServer, listenForLinks, type ServerLink } from '../../shared/wire/remote/link.ts';
import type { Registry } from '../registry.ts';
import type { ToWorker } from '../worker-messages.ts';
import type { DoorParts } from './door.ts';
import { Measures } from './measures.ts';
import type { PreparedRemote } from './prepared.ts';
import { RemoteDelivery } from './remote-delivery.ts';
import type { ReturnsParts } from './returns.ts';
import { WorkerLanes } from './worker-lanes.ts';

/** A link is not heard for this long, milliseconds, when the other host has gone; a frozen process is found by pings. */
const LINK_IDLE_MS = 10_000;
/** For those that a predecessor has sent, milliseconds: it serves meanwhile. Who is later comes when it is dismissed. */
const ARRIVE_WITHIN_MS = 2000;
/** A head that has just begun has more urgent things to do, milliseconds. */
const LOOK_AGAIN_MS = 100;

export interface EntranceParts {
  readonly settings: HeadSettings;
  readonly prepared: PreparedRemote;
  readonly registry: Registry;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
  /** A socket that listens at `--control` already. */
  readonly inherited: number | undefined;
}

export class Entrance {
  readonly deliveries = new Set<RemoteDelivery>();
  readonly migration: DoorParts['migration'];
  readonly lanes: WorkerLanes;
  /** One that was registered has gone. */
  onLeft: (delivery: RemoteDelivery) => void = () => {};
  readonly #parts: EntranceParts;
  readonly #begun = Promise.withResolvers<ReturnsParts>();
  #links!: LinkServer;
  #registrations = 0;
  #hasSent = false;
  #hasBegun = false;
  /** Told whenever one has said what it has. */
  #onArrival: () => void = () => {};

  private constructor(parts: EntranceParts) {
    this.#parts = parts;
    const { steering, flows, ids } = parts.prepared;
    const { adoptTimeout: adoptTimeoutMs, workers } = parts.settings;
    this.migration = { steering, flows, ids, adoptTimeoutMs, measures: new Measures() };
    this.lanes = new WorkerLanes({ ...this.migration, workers, tell: parts.tell });
  }

  /** Lets in who comes. Throws as listenForLinks does. */
  static async open(parts: EntranceParts): Promise<Entrance> {
    const { settings, prepared, log, inherited } = parts;
    const entrance = new Entrance(parts);
    entrance.#links = await listenForLinks(
      parseHostPort(settings.control!)!,
      '--control',
      { secret: prepared.secret, idleMs: LINK_IDLE_MS },
      {
        onLink: (link) => entrance.#admit(link),
        onRefused: (peer, reason) => log.warn({ peer }, `a remote delivery was refused: ${reason}`),
      },
      inherited,
    );
    return entrance;
  }

  #admit(link: ServerLink): RemoteDelivery {
    const { registry, tell, log } = this.#parts;
    const delivery: RemoteDelivery = new RemoteDelivery(
      link,
      ++this.#registrations,
      {
        ...{ registry, migration: this.migration, lanes: this.lanes, tell, log },
        begun: this.#begun.promise,
        hasBegun: () => this.#hasBegun,
      },
      {
        onArrival: () => this.#onArrival(),
        onEnd: () => {
          this.deliveries.delete(delivery);
          if (delivery.hasTold) this.onLeft(delivery);
        },
      },
    );
    this.deliveries.add(delivery);
    return delivery;
  }

  /** Registers those that have come, and who comes from now on. */
  begin(returns: ReturnsParts): void {
    this.#hasBegun = true;
    this.#begun.resolve(returns);
    // Neighbours may have moved while nobody listened to the kernel. Visitors wait, but not for that.
    const look = () => this.deliveries.forEach(({ whereabouts }) => void whereabouts.lookAgain());
    setTimeout(look, LOOK_AGAIN_MS).unref();
  }

  /** Whether one of these has come already. */
  hasAnyOf(names: readonly string[]): boolean {
    return [...this.deliveries].some(({ arrivedAs }) => arrivedAs !== undefined && names.includes(arrivedAs));
  }

  /** Resolves when deliveries of these names have come and said what they have, or are late. */
  async arrived(names: readonly string[]): Promise<void> {
    const late = Promise.withResolvers<void>();
    const look = () => {
      const there = new Set([...this.deliveries].map(({ arrivedAs }) => arrivedAs));
      if (names.every((name) => there.has(name))) late.resolve();
    };
    const timer = setTimeout(late.resolve, ARRIVE_WITHIN_MS);
    this.#onArrival = look;
    look();
    await late.promise;
    clearTimeout(timer);
    this.#onArrival = () => {};
  }

  /** A successor lets in who comes, until `resume`; the names of those that were asked to go there as well. */
  sendToSuccessor(): string[] {
    this.#links.pause();
    this.#hasSent = true;
    return [...this.deliveries].flatMap((delivery) => delivery.sendToSuccessor() ?? []);
  }

  /** There is no successor. What has waited for its turn meanwhile is begun. */
  resume(): void {
    this.#links.resume();
    this.#hasSent = false;
    for (const delivery of this.deliveries) delivery.begin(0, []);
  }

  /** Deliveries were asked to go to a successor as well. */
  get hasSent(): boolean {
    return this.#hasSent;
  }

  get address(): LinkServer['address'] {
    return this.#links.address;
  }

  /** The listener; it stays the entrance's. */
  get fd(): number {
    return this.#links.fd;
  }

  /** Cuts all off. Who is in the midst of a handshake begins anew. */
  close(): Promise<void> {
    for (const delivery of this.deliveries) delivery.cutOff();
    this.lanes.close();
    return this.#links.close();
  }
}
