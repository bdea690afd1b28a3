/** What a delivery of another host says before its welcome: who it is, and all that it holds already. */
import { BatonError } from '../../shared/errors.ts';
import { asOfVersion } from '../../shared/wire/control.ts';
import { type FromRemote, REMOTE_VERSION, type RemoteHello } from '../../shared/wire/remote/messages.ts';

export class Greeting {
  #hello: RemoteHello | undefined;
  #ids: number[] = [];
  #keys: Buffer[] = [];
  #doubtful = new Set<number>();

  get hello(): RemoteHello | undefined {
    return this.#hello;
  }

  /** True when it has said all. Throws PROTOCOL, and VERSION_MISMATCH. */
  take(message: FromRemote): boolean {
    if (!this.#hello) {
      if (message.type !== 'hello')
        throw new BatonError('PROTOCOL', { problem: `${message.type} where hello was due` });
      this.#hello = asOfVersion(message, REMOTE_VERSION);
    } else if (
      message.type === 'holding' &&
      this.#ids.length < this.#hello.flows &&
      this.#ids.length + message.ids.length <= this.#hello.flows
    ) {
      this.#ids.push(...message.ids);
      this.#keys.push(Buffer.from(message.keys));
      for (const id of message.doubtful ?? []) this.#doubtful.add(id);
    } else {
      throw new BatonError('PROTOCOL', { problem: `${message.type} before its welcome` });
    }
    return this.#ids.length === this.#hello.flows;
  }

  /** What it holds; of these, what it has given back and has no word of. Nothing of it is kept here. */
  takeHoldings(): { ids: number[]; keys: Buffer; doubtful: ReadonlySet<number> } {
    const taken = { ids: this.#ids, keys: Buffer.concat(this.#keys), doubtful: this.#doubtful };
    this.#ids = [];
    this.#keys = [];
    this.#doubtful = new Set();
    return taken;
  }
}
