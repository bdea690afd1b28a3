/** Connections that are to go and wait until there is room on their way. Who waits for too long is served here. */
import type { Watch } from './watch.ts';

/** Milliseconds: a head that does not answer for so long has something else to do. */
const WITHIN_MS = 100;

interface RoomParts {
  readonly hasRoom: (watch: Watch) => boolean;
  /** Looks at it again, for it may be that it is to stay by now. The application may run in there. */
  readonly go: (watch: Watch) => void;
  readonly giveUp: (watch: Watch) => void;
}

export class Room {
  readonly #parts: RoomParts;
  #queue: Watch[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  wait(watch: Watch): void {
    watch.queuedSince = performance.now();
    watch.says('wait');
    this.#queue.push(watch);
    this.#timer ??= setInterval(this.#giveUpLate, WITHIN_MS / 2);
  }

  /** A word has come, and made room. */
  made(): void {
    if (this.#queue.length > 0) this.#immediate ??= setImmediate(this.#next);
  }

  /** One in each callback. */
  readonly #next = (): void => {
    this.#immediate = undefined;
    this.#skip();
    const [next] = this.#queue;
    if (!next || !this.#parts.hasRoom(next)) return;
    this.#queue.shift();
    this.made();
    next.queuedSince = 0;
    this.#parts.go(next);
  };

  /** Those that do not wait any more. */
  #skip(): void {
    while (this.#queue[0] && (this.#queue[0].isClosed || this.#queue[0].queuedSince === 0))
      this.#queue.shift();
  }

  readonly #giveUpLate = (): void => {
    const before = performance.now() - WITHIN_MS;
    this.#skip();
    for (let next = this.#queue[0]; next && next.queuedSince < before; next = this.#queue[0]) {
      this.#queue.shift();
      setImmediate(this.#parts.giveUp, next);
      this.#skip();
    }
    if (this.#queue.length === 0) this.#stopClock();
  };

  #stopClock(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  clear(): void {
    this.#queue = [];
    this.#stopClock();
  }
}
