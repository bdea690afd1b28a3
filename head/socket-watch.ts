/** Sees to it that the head can be found: a socket file that was deleted while it runs is made again. */
import { type Logger, Sparingly } from '../shared/log.ts';

/** How often it is looked, milliseconds. */
const LOOK_MS = 1000;
const SAY_MS = 60_000;

export interface Door {
  readonly isThere: boolean;
  listenAgain(): Promise<void>;
}

export class SocketWatch {
  readonly #doors: readonly Door[];
  readonly #log: Logger;
  readonly #onMade: () => void;
  readonly #failures = new Sparingly(1, SAY_MS);
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(doors: readonly Door[], log: Logger, onMade: () => void) {
    this.#doors = doors;
    this.#log = log;
    this.#onMade = onMade;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    for (const door of this.#doors) {
      try {
        if (door.isThere) continue;
        await door.listenAgain();
        this.#onMade();
        this.#log.warn('a socket file of this head had been removed; it was made again');
      } catch (error) {
        this.#failures.tell((more) => this.#log.warn({ ...more }, (error as Error).message));
      }
    }
    this.#looking = false;
  }
}
