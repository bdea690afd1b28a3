/** Which delivery has which slot of the scoreboard. One that has gone keeps its slot until it is forgotten, or another needs it. */
import { BatonError } from '../shared/errors.ts';
import type { RegisteredDelivery } from './registered-delivery.ts';
import { SLOTS, type WorkerCounters } from './scoreboard.ts';

export class Slots {
  readonly #rows: readonly WorkerCounters[];
  readonly #slots: (RegisteredDelivery | undefined)[] = new Array(SLOTS).fill(undefined);

  constructor(rows: readonly WorkerCounters[]) {
    this.#rows = rows;
  }

  /** In the order of their slots. */
  get all(): RegisteredDelivery[] {
    return this.#slots.filter((delivery) => delivery !== undefined);
  }

  /** Those that have not gone. */
  get registered(): RegisteredDelivery[] {
    return this.all.filter(({ state }) => state !== 'down');
  }

  at(slot: number): RegisteredDelivery | undefined {
    return this.#slots[slot];
  }

  of(name: string): RegisteredDelivery | undefined {
    return this.#slots.find((delivery) => delivery?.introduction.name === name);
  }

  put(delivery: RegisteredDelivery): void {
    this.#slots[delivery.slot] = delivery;
  }

  /**
   * For a delivery of this name: its own slot of last time, else a new one, else that of one that has gone; free for use when
   * this resolves. Throws NAME_TAKEN and HEAD_FULL.
   */
  async find(name: string): Promise<number> {
    const taken = (by: RegisteredDelivery) =>
      new BatonError('NAME_TAKEN', { name, pid: by.introduction.pid });
    let known = this.of(name);
    if (known && isInUse(known)) throw taken(known);
    const unused = this.#slots.indexOf(undefined);
    if (!known && unused >= 0) return unused;
    const isNew = known === undefined;
    known ??= this.#slots.find(
      (delivery) => delivery && !isInUse(delivery) && delivery.whenSettled.length === 0,
    );
    if (!known) throw new BatonError('HEAD_FULL', { limit: SLOTS });
    await settled(known);
    if (isInUse(known)) throw taken(known);
    if (isNew) this.#clear(known.slot);
    return known.slot;
  }

  /** Those that have gone before, milliseconds, make room in the tables that people and programs read. */
  forget(before: number): void {
    for (const { slot, state, awaited, whenSettled, downSince } of this.all) {
      const isSettled = state === 'down' && awaited === 0 && whenSettled.length === 0;
      if (!isSettled || downSince > before) continue;
      this.#slots[slot] = undefined;
      this.#clear(slot);
    }
  }

  #clear(slot: number): void {
    for (const row of this.#rows) row.clearSlot(slot);
  }
}

const isInUse = ({ state, admission }: RegisteredDelivery): boolean =>
  state !== 'down' || admission === 'expected';

/** When every worker has done what it was told last about the delivery. */
export function settled(delivery: RegisteredDelivery): Promise<void> {
  if (delivery.awaited === 0) return Promise.resolve();
  return new Promise((resolve) => delivery.whenSettled.push(resolve));
}
