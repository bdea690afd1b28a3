/** Tells clients whose connections nobody has any more, so that none waits for ever; a crowd of them one after the other. */
import { Refusal, type Telling, tellHalfOpen } from '../../shared/tcp-repair/index.ts';
import { endsOfKey } from '../../shared/wire/remote/flow-key.ts';

/** A client whose answer goes elsewhere is asked for no longer than it takes to hear the question, milliseconds. */
const ASK_MS = 300;
/** At once. */
const AT_ONCE = 256;
const LOOK_EVERY_MS = 20;
/** The kernel sends its SYN again after 1 and 3 s; then the client is taken to be gone itself, milliseconds. */
const GIVE_UP_MS = 5000;

interface Running {
  readonly telling: Telling;
  readonly until: number;
}

export class Teller {
  readonly #waiting: { readonly key: Buffer; readonly patienceMs: number }[] = [];
  #running: Running[] = [];
  #timer: NodeJS.Timeout | undefined;

  get isIdle(): boolean {
    return this.#running.length + this.#waiting.length === 0;
  }

  /** The flow of this key is steered nowhere. */
  tell(key: Buffer): void {
    this.#waiting.push({ key, patienceMs: GIVE_UP_MS });
    this.#schedule(0);
  }

  /** The flow of this key is steered to a host, whose kernel sees the client's answer: it tells it if there is nothing. */
  ask(key: Buffer): void {
    this.#waiting.push({ key, patienceMs: ASK_MS });
    this.#schedule(0);
  }

  #schedule(inMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, inMs);
  }

  #look(): void {
    const now = performance.now();
    this.#running = this.#running.filter(({ telling, until }) => {
      if (!telling.isDone && now < until) return true;
      telling.close();
      return false;
    });
    for (const { key, patienceMs } of this.#waiting.splice(0, AT_ONCE - this.#running.length)) {
      const telling = tellHalfOpen(endsOfKey(key));
      // Its ends are in use again, or there is no way to it: there is nobody to tell.
      if (!(telling instanceof Refusal)) this.#running.push({ telling, until: now + patienceMs });
    }
    if (this.#running.length + this.#waiting.length > 0) this.#schedule(LOOK_EVERY_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { telling } of this.#running.splice(0)) telling.close();
    this.#waiting.length = 0;
  }
}
