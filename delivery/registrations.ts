/**
 * A delivery's places under its heads, one each. Each is sought, lost and found again by itself: a head that is gone, slow or
 * refuses takes nothing from the others.
 */

import type { HeadAddress } from './head-address.ts';
import { Registration, type RegistrationParts } from './registration.ts';

export interface RegistrationsParts extends Omit<RegistrationParts, 'head' | 'mayGiveUp'> {
  readonly heads: readonly HeadAddress[];
}

export class Registrations {
  /** Resolves with the first welcome of any; rejects when every one has refused for good, or it is given up before. */
  readonly ready: Promise<void>;
  readonly #all: readonly Registration[];
  /** Heads that have refused for good. */
  readonly #refused = new Set<string>();

  constructor({ heads, ...parts }: RegistrationsParts) {
    this.#all = heads.map(
      (head) =>
        new Registration({
          ...parts,
          head,
          // What one has against it may pass as long as another has taken it, or may: its operator looks at the log.
          mayGiveUp: () => {
            this.#refused.add(head.name);
            return this.#refused.size === heads.length && !this.#all.some((one) => one.wasIn);
          },
        }),
    );
    this.ready = Promise.any(this.#all.map(({ ready }) => ready)).catch((error: AggregateError) => {
      throw error.errors[0];
    });
    // Whoever does not wait for it still finds the reason in the log.
    this.ready.catch(() => {});
  }

  /** It has, or seeks, a place. */
  get isIn(): boolean {
    return this.#all.some(({ isIn }) => isIn);
  }

  /** A head has it now. */
  get isRegistered(): boolean {
    return this.#all.some(({ isRegistered }) => isRegistered);
  }

  start(): void {
    for (const one of this.#all) one.start();
  }

  /** Whether it keeps the process alive. */
  ref(on: boolean): void {
    for (const one of this.#all) one.ref(on);
  }

  /** Somebody asks for `ready`. */
  awaitReady(): Promise<void> {
    for (const one of this.#all) void one.awaitReady().catch(() => {});
    return this.ready;
  }

  /** Something of the introduction may have changed. */
  async renew(): Promise<void> {
    await Promise.all(this.#all.map((one) => one.renew()));
  }

  /** A connection has ended whose session has ended before. */
  formerEnded(): void {
    for (const one of this.#all) one.formerEnded();
  }

  /** Where connections may go back to. */
  get waysBack(): Registration['waysBack'] {
    return this.#all.flatMap(({ waysBack }) => waysBack);
  }

  /** Nothing more is given by any of them; before they let it go what can move has until `moved`. */
  async leave(late: Promise<unknown>, moved: () => Promise<void>): Promise<void> {
    await Promise.all(this.#all.map((one) => one.leave(late, moved)));
  }
}
