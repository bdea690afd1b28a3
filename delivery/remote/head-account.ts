/**
 * What one head knows of this delivery's flows, and what it has yet to hear. Each head has an account of its own, from its
 * hello to the end of its link: a link that is slow or gone keeps nothing from the others.
 */
import type { Ends } from '../../shared/tcp-repair/index.ts';
import { flowKey } from '../../shared/wire/remote/flow-key.ts';
import { type FromRemote, IDS_MAX } from '../../shared/wire/remote/messages.ts';

/** Connections that another head has moved here are told of together, at the latest after this long, milliseconds. */
const ANNOUNCE_MS = 10;
/** What has closed is told of when it is so many: who chooses the delivery with the fewest goes by it. */
const CLOSED_AT_MOST = 64;

export class HeadAccount {
  /** Few credits are left as this head sees it, with so many unreported. */
  readonly #isShort: (unreported: number) => boolean;
  readonly #onClosed: (account: HeadAccount) => void;
  #say: ((message: FromRemote) => void) | undefined;
  #closed = 0;
  readonly #gone: number[] = [];
  readonly #opened: { readonly id: number; readonly ends: Ends }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(isShort: (unreported: number) => boolean, onClosed: (account: HeadAccount) => void) {
    this.#isShort = isShort;
    this.#onClosed = onClosed;
  }

  /** Closed, and the head has not been told. */
  get unreported(): number {
    return this.#closed;
  }

  /** The head has welcomed us: it hears what has changed since our hello, and what will. */
  attach(say: (message: FromRemote) => void): void {
    this.#say = say;
    this.flush();
  }

  /** Another head has moved a connection here. */
  opened(id: number, ends: Ends): void {
    this.#opened.push({ id, ends });
    if (this.#opened.length === IDS_MAX) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), ANNOUNCE_MS).unref();
  }

  /** A connection has been closed; who waits for its credit hears of it soon. */
  closed(): void {
    this.#closed++;
    if (this.#closed >= CLOSED_AT_MOST || this.#isShort(this.#closed)) this.#flushSoon();
  }

  /** The kernel is done with a flow. */
  gone(id: number): void {
    this.#gone.push(id);
  }

  /** Says what is due at once: what has come before what has gone. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#say) return;
    while (this.#opened.length > 0) {
      const some = this.#opened.splice(0, IDS_MAX);
      this.#say({
        type: 'holding',
        ids: some.map(({ id }) => id),
        keys: Buffer.concat(some.map(({ ends }) => flowKey(ends))),
      });
    }
    while (this.#closed > 0 || this.#gone.length > 0) {
      const closed = this.#closed;
      this.#closed = 0;
      this.#say({ type: 'ended', closed, gone: this.#gone.splice(0, IDS_MAX) });
    }
  }

  #flushSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.flush();
    });
  }

  /** The link has ended: the next one begins with all that there is. */
  close(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#say = undefined;
    this.#onClosed(this);
  }
}
