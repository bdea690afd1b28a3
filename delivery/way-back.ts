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
import {
  ANOTHER,
  ANSWER_MESSAGE_MAX,
  ANYBODY,
  ASKED_MAX,
  IS_CHOSEN,
  MOVES,
  readAnswer,
  writeAsked,
} from '../shared/wire/asked.ts';
import { GIVEN_MESSAGE_MAX, readWord, WORD_MAX, writeGiven } from '../shared/wire/way-back.ts';
import type { Standing } from './requests/standing.ts';

/**
 * Messages without a word, at most: so many words find room on their way, where a queue has the 10 messages that a kernel gives
 * it at least (net.unix.max_dgram_qlen). A head that cannot say *moved* has to say *kept*.
 */
const WINDOW = 8;
/** Words read before others get their turn. */
const WORDS_A_TURN = 256;

let messenger: ReturnType<typeof createFdMessenger> | undefined;
const inbox = allocate(Math.max(WORD_MAX, ANSWER_MESSAGE_MAX) + 1);

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
  readonly #given = new Map<number, { readonly settle: Settle; readonly message: { left: number } }>();
  /** Messages about these. */
  #unanswered = 0;
  #asking: { readonly fd: number; readonly settle: Settle }[] = [];
  #toAnother = false;
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

  /** Another message may leave. */
  get #hasRoom(): boolean {
    return this.isOpen && this.#unanswered < WINDOW;
  }

  give({ fd, state, settle }: Given): 'given' | 'full' {
    if (!this.#hasRoom) return 'full';
    messenger ??= createFdMessenger(GIVEN_MESSAGE_MAX);
    messenger.fds[0] = fd;
    return this.#send(writeGiven(messenger.bytes, this.#next, state), [settle]) ? 'given' : 'full';
  }

  /** One more may be asked about; what is not asked yet is to leave first where that is about others of them (`toAnother`). */
  mayAsk(toAnother: boolean): boolean {
    if (!this.#hasRoom) return false;
    const { length } = this.#asking;
    return length === 0 || (length < ASKED_MAX && this.#toAnother === toAnother);
  }

  /** To be asked with `flush`: who is to have it for its next request, which is in it unread? Only where `mayAsk`; `fd` as above. */
  ask(fd: number, toAnother: boolean, settle: Settle): void {
    this.#toAnother = toAnother;
    this.#asking.push({ fd, settle });
  }

  /** Asks what is to be asked. */
  flush(): void {
    const asking = this.#asking;
    if (asking.length === 0) return;
    this.#asking = [];
    messenger ??= createFdMessenger(GIVEN_MESSAGE_MAX);
    for (const [i, { fd }] of asking.entries()) messenger.fds[i] = fd;
    const whose = this.#toAnother ? ANOTHER : ANYBODY;
    const length = writeAsked(messenger.bytes, this.#next, asking.length, whose);
    const settles = asking.map(({ settle }) => settle);
    if (this.isOpen && this.#send(length, settles)) return;
    for (const settle of settles) settle(false, false);
  }

  #send(length: number, settles: readonly Settle[]): boolean {
    // Refused: the head has let this delivery go, and says so elsewhere.
    if (messenger!.send(this.#fd, length, settles.length) < 0) return false;
    const message = { left: settles.length };
    this.#unanswered++;
    for (const settle of settles) {
      this.#given.set(this.#next, { settle, message });
      this.#next = (this.#next + 1) >>> 0;
    }
    return true;
  }

  #read(): void {
    for (let i = 0; i < WORDS_A_TURN && this.#state !== 'closed'; i++) {
      const n = receive(this.#fd, inbox, 0, inbox.bytes.length);
      if (n === EAGAIN || n === EINTR) return;
      // The head is gone with something of ours unread; what it had said can still be read.
      if (n === ECONNRESET) continue;
      if (!this.#hear(n)) return this.#end();
    }
    if (this.#state === 'ending' && this.#given.size === 0) this.#end();
  }

  /** False for nonsense, which is no word: what has none at the end stays here. */
  #hear(length: number): boolean {
    const word = length > 0 ? readWord(inbox.bytes, length) : undefined;
    if (word) this.#settle(word.number, word.isMoved, false);
    const answer = word || length <= 0 ? undefined : readAnswer(inbox.bytes, length);
    for (const [i, what] of answer?.answers.entries() ?? [])
      this.#settle((answer!.first + i) >>> 0, what === MOVES, what === IS_CHOSEN);
    return word !== undefined || answer !== undefined;
  }

  #settle(number: number, isMoved: boolean, isChosen: boolean): void {
    const given = this.#given.get(number);
    if (!given) return;
    this.#given.delete(number);
    if (--given.message.left === 0) this.#unanswered--;
    given.settle(isMoved, isChosen);
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
    const left = [...this.#given.values(), ...this.#asking];
    this.#given.clear();
    this.#asking = [];
    for (const { settle } of left) settle(false, false);
  }
}
