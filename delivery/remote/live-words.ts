/** That connections have come to life, as a head is told. */
import { IDS_MAX } from '../../shared/wire/remote/messages.ts';

/** They are told of together, at the latest after this long (milliseconds). */
const SAY_LIVE_MS = 10;

/** Where no successor of the head comes after all, words are hurried for so long (milliseconds). */
const HURRY_MS = 5000;

/**
 * A head that hands over waits for these words, as a successor begins when nothing is on its way any more. Until when they leave at
 * once, from now on; milliseconds of performance.now().
 */
export const hurryingUntil = (): number => performance.now() + HURRY_MS;

/** Nobody waits for it: until then the head keeps what it would need to reset the connections, should this process die. */
export class LiveWords {
  readonly #say: (ids: number[]) => void;
  #ids: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hurriesUntil = 0;

  constructor(say: (ids: number[]) => void) {
    this.#say = say;
  }

  add(id: number): void {
    this.#ids.push(id);
    if (this.#ids.length === IDS_MAX || performance.now() < this.#hurriesUntil) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), SAY_LIVE_MS);
  }

  hurry(): void {
    this.#hurriesUntil = hurryingUntil();
    this.flush();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#ids.length > 0) this.#say(this.#ids.splice(0));
  }
}
