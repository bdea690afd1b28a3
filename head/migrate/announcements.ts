/** What a delivery of several heads tells of the connections that the others have moved to it. */
import { BatonError } from '../../shared/errors.ts';
import { type Logger, Sparingly } from '../../shared/log.ts';
import { ANNOUNCING_VERSION, type RemoteHello } from '../../shared/wire/remote/messages.ts';
import type { NextHop } from '../steer/index.ts';
import type { Flows } from './flows.ts';

export class Announcements {
  readonly #flows: Flows;
  readonly #log: Logger;
  readonly #unsteered = new Sparingly(1);

  constructor(flows: Flows, log: Logger) {
    this.#flows = flows;
    this.#log = log;
  }

  /** Throws PROTOCOL. */
  take({ name, version }: RemoteHello, ids: readonly number[], keys: Buffer, hop: NextHop): void {
    if (version < ANNOUNCING_VERSION)
      throw new BatonError('PROTOCOL', { problem: 'holding after its welcome, in a version without it' });
    try {
      this.#flows.announce(name, ids, keys, hop);
    } catch (error) {
      this.#unsteered.tell((more) =>
        this.#log.error(
          { delivery: name, ...more },
          `connections of another head would be lost if that failed: ${(error as Error).message}`,
        ),
      );
    }
  }
}
