/** What a delivery of another host says before its welcome: who it is, and all that it holds already. */
import { BatonError } from '../../shared/errors.ts';
import { asOfVersion } from '../../shared/wire/control.ts';
import { type FromRemote, REMOTE_VERSION, type RemoteHello } from '../../shared/wire/remote/messages.ts';

export class Greeting {
  #hello: RemoteHello | undefined;
  #ids: number[] = [];
  #keys: Buffer[] = [];

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
    } else {
      throw new BatonError('PROTOCOL', { problem: `${message.type} before its welcome` });
    }
    return this.#ids.length === this.#hello.flows;
  }

  /** What it holds. Nothing of it is kept here. */
  takeHoldings(): { ids: number[]; keys: Buffer } {
    const taken = { ids: this.#ids, keys: Buffer.concat(this.#keys) };
    this.#ids = [];
    this.#keys = [];
    return taken;
  }
}
