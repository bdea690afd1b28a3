/**
 * The delivery's end of a way back. What is given leaves with a copy of its fd; this process keeps its own until it hears a word
 * about it, or the end: before *moved* the head gives a connection to nobody, so who has heard nothing by then has it still.
 */
import { EAGAIN, ECONNRESET, EINTR } from '../shared/sys/libc.ts';
import { allocate } from '../shared/sys/memory.ts';
import { createFdMessenger } from '../shared/sys/pass-fds.ts';
import { type Readiness, watchReadable } from '../shared/sys/readiness.ts';
import { receive } from '../shared/sys/sockets.ts';
import { closeKept, keepForThread } from '../shared/sys/thread-end.ts';
import { GIVEN_MESSAGE_MAX, readWord, WORD_MAX, writeAsked, writeGiven } from '../shared/wire/way-back.ts';
import type { Standing } from './requests/standing.ts';

/**
 * Given and without a word, at most: so many words find room on their way, where a queue has the 10 messages that a kernel gives
 * it at least (net.unix.max_dgram_qlen). A head that cannot say *moved* has to say *kept*.
 */
const WINDOW = 8;
/** Words read before others get their turn. */
const WORDS_A_TURN = 256;

let messenger: ReturnType<typeof createFdMessenger> | undefined;
const inbox = allocate(WORD_MAX + 1);

/** Called once: whether it is the head's from now on; and where it is not, whether it was asked for and this delivery chosen. */
type Settle = (isMoved: boolean, isChosen?: boolean) => void;

/** A connection that is held still. */
export interface Given {
  /** It stays the caller's. */
  readonly fd: number;
  /** Of its arrival. */
  readonly id: string;
  /** What its application needs to go on with it. */
  readonly state: Uint8Array | undefined;
  readonly settle: Settle;
}

/** Where connections are given back: over a socket to a head of this host, or by a link to one of another. */
export interface WayBack {
  /** `full`, and `not now` of this one alone: nothing has been done. */
  give(given: Given): 'given' | 'full' | 'not now';
}

export class DeliveryWayBack implements WayBack {
  readonly #fd: number;
  readonly #ready: Readiness;
  /** What it has given and heard nothing of, by number. A word about anything else is about something settled. */
  readonly #given = new Map<number, Settle>();
  #next = 0;
  /** What the head has said of distribution by request. */
  standing: Standing | undefined;
  /** `ending`: gives nothing more. */
  #state: 'open' | 'ending' | 'closed' = 'open';

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.#fd = keepForThread(fd);
    this.#ready = watchReadable(this.#fd, () => this.#read());
    this.#ready.unref();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Something may be given. */
  get hasRoom(): boolean {
    return this.#state === 'open' && this.#given.size < WINDOW;
  }

  /** Asks who is to have it for the next request, which is in it unread; else as `give`. */
  ask(fd: number, settle: Settle): boolean {
    if (!this.hasRoom) return false;
    messenger ??= createFdMessenger(GIVEN_MESSAGE_MAX);
    return this.#send(fd, writeAsked(messenger.bytes, this.#next), settle);
  }

  give({ fd, state, settle }: Given): 'given' | 'full' {
    if (!this.hasRoom) return 'full';
    messenger ??= createFdMessenger(GIVEN_MESSAGE_MAX);
    return this.#send(fd, writeGiven(messenger.bytes, this.#next, state), settle) ? 'given' : 'full';
  }

  #send(fd: number, length: number, settle: Settle): boolean {
    const number = this.#next;
    messenger!.fds[0] = fd;
    // Refused: the head has let this delivery go, and says so elsewhere.
    if (messenger!.send(this.#fd, length, 1) < 0) return false;
    this.#next = (number + 1) >>> 0;
    this.#given.set(number, settle);
    return true;
  }

  #read(): void {
    for (let i = 0; i < WORDS_A_TURN && this.#state !== 'closed'; i++) {
      const n = receive(this.#fd, inbox, 0, inbox.bytes.length);
      if (n === EAGAIN || n === EINTR) return;
      // The head is gone with something of ours unread; what it had said can still be read.
      if (n === ECONNRESET) continue;
      const word = n > 0 ? readWord(inbox.bytes, n) : undefined;
      // Nonsense is no word: what has none at the end stays here.
      if (!word) return this.#end();
      const settle = this.#given.get(word.number);
      this.#given.delete(word.number);
      settle?.(word.isMoved, word.isChosen === true);
    }
    if (this.#state === 'ending' && this.#given.size === 0) this.#end();
  }

  /** Nothing more is given; what was given is waited for. */
  finish(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    if (this.#given.size === 0) this.#end();
  }

  #end(): void {
    this.#state = 'closed';
    this.#ready.close();
    closeKept(this.#fd);
    const left = [...this.#given.values()];
    this.#given.clear();
    for (const settle of left) settle(false, false);
  }
}
