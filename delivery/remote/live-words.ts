/** That connections have come to life, as a head is told. */
import { IDS_MAX } from '../../shared/wire/remote/messages.ts';

/** They are told of together, at the latest after this long (milliseconds). */
const SAY_LIVE_MS = 10;

/** Nobody waits for it: until then the head keeps what it would need to reset the connections, should this process die. */
export class LiveWords {
  readonly #say: (ids: number[]) => void;
  #ids: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(say: (ids: number[]) => void) {
    this.#say = say;
  }

  add(id: number): void {
    this.#ids.push(id);
    if (this.#ids.length === IDS_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), SAY_LIVE_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#ids.length > 0) this.#say(this.#ids.splice(0));
  }
}
