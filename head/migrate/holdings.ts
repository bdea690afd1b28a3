/** What a delivery says that it holds: between its hello and its welcome, and what other heads move to it after that. */
import { BatonError } from '../../shared/errors.ts';
import { type Logger, Sparingly } from '../../shared/log.ts';
import type { FromRemote } from '../../shared/wire/remote/messages.ts';
import type { NextHop } from '../steer/index.ts';
import type { Flows } from './flows.ts';

export class Holdings {
  readonly #count: number;
  readonly ids: number[] = [];
  readonly #keys: Buffer[] = [];
  /** Of these, what it has given back and has no word of. */
  readonly doubtful = new Set<number>();

  /** Of the flows that its hello has announced. */
  constructor(count: number) {
    this.#count = count;
  }

  /** Throws PROTOCOL for any other message, and for more than was announced. */
  add(message: FromRemote): void {
    const more = message.type === 'holding' ? message.ids.length : 0;
    if (message.type !== 'holding' || this.isComplete || this.ids.length + more > this.#count)
      throw new BatonError('PROTOCOL', { problem: `${message.type} before its welcome` });
    this.ids.push(...message.ids);
    this.#keys.push(Buffer.from(message.keys));
    for (const id of message.doubtful ?? []) this.doubtful.add(id);
  }

  get isComplete(): boolean {
    return this.ids.length >= this.#count;
  }

  get keys(): Buffer {
    return Buffer.concat(this.#keys);
  }
}

export class Announcements {
  readonly #flows: Flows;
  readonly #log: Logger;
  readonly #unsteered = new Sparingly(1);

  constructor(flows: Flows, log: Logger) {
    this.#flows = flows;
    this.#log = log;
  }

  /** It has adopted these from another head, whose place this one may have to take. */
  hear(delivery: string, { ids, keys }: FromRemote & { type: 'holding' }, hop: NextHop): void {
    try {
      this.#flows.announce(delivery, ids, Buffer.from(keys), hop);
    } catch (error) {
      this.#unsteered.tell((more) =>
        this.#log.error(
          { delivery, ...more },
          `connections of another head would be lost if that failed: ${(error as Error).message}`,
        ),
      );
    }
  }
}
