/**
 * How deliveries come to their slots, and to be known by all workers. Those of one name come one after the other, and so do all to
 * their slots; what workers answer is awaited for all at once: after a take-over all deliveries of a host come together, and
 * visitors wait for them.
 */
import { createDelivery, type RegisteredDelivery, traceMember } from './registered-delivery.ts';
import type { Registrant } from './registrant.ts';
import type { RegistryTimes } from './rounds.ts';
import type { Scoreboard } from './scoreboard.ts';
import { type Slots, settled } from './slots.ts';
import type { ToWorker } from './worker-messages.ts';

interface PlacesParts {
  readonly slots: Slots;
  readonly workers: number;
  readonly scoreboard: Scoreboard;
  /** Tells one worker. */
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly times: () => RegistryTimes;
  readonly isClosed: () => boolean;
}

export class Places {
  readonly #parts: PlacesParts;
  readonly #lastOf = new Map<string, Promise<void>>();
  #placing: Promise<unknown> = Promise.resolve();

  constructor(parts: PlacesParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with what `then` makes of it, once every worker knows it, or of nothing where it has left before; until then the next of
   * its name waits. Throws NAME_TAKEN and HEAD_FULL.
   */
  take<T>(registrant: Registrant, then: (delivery: RegisteredDelivery | undefined) => T): Promise<T> {
    const { name } = registrant.introduction;
    const before = this.#lastOf.get(name) ?? Promise.resolve();
    const mine = before.then(async () => {
      const placed = this.#placing.then(() => this.#place(registrant));
      this.#placing = placed.catch(() => {});
      const delivery = await placed;
      if (delivery) await settled(delivery);
      return then(delivery);
    });
    const forget = (): void => {
      if (this.#lastOf.get(name) === over) this.#lastOf.delete(name);
    };
    const over = mine.then(forget, forget);
    this.#lastOf.set(name, over);
    return mine;
  }

  async #place(registrant: Registrant): Promise<RegisteredDelivery | undefined> {
    const { slots, workers, scoreboard, tell, times, isClosed } = this.#parts;
    const { introduction, active } = registrant;
    const { name, direct, directTls, serves } = introduction;
    const slot = await slots.find(name);
    if (!registrant.isWaiting || isClosed()) return undefined;
    const lanes = registrant.makeLanes(workers);
    const delivery = createDelivery(slot, registrant, workers, times());
    slots.put(delivery);
    scoreboard.describe(slot, { ...introduction, active });
    if (registrant.transport === 'fd') traceMember(delivery);
    for (const [worker, lane] of lanes.entries())
      tell(worker, { type: 'join', slot, name, direct, directTls, serves, lane });
    return delivery;
  }
}
