/**
 * The head's end of a way back, over which a delivery gives connections back. The delivery's end is the delivery's alone, so that
 * what was said before the end of a way back reaches it, whatever happens to the head: it goes on with what has no word.
 */
import { EAGAIN, ECONNRESET, EINTR, EPIPE, errnoName } from '../../shared/sys/libc.ts';
import { createFdMessenger, type FdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd, endReading } from '../../shared/sys/sockets.ts';
import { readAsked, writeAnswer } from '../../shared/wire/asked.ts';
import {
  GIVEN_MAX,
  GIVEN_MESSAGE_MAX,
  KEPT,
  MOVED,
  readGiven,
  writeWord,
} from '../../shared/wire/way-back.ts';

export interface GivenBack {
  readonly fd: number;
  /** The delivery's. */
  readonly number: number;
  /** What its application needs to go on with it. */
  readonly state: Uint8Array | undefined;
}

/** Their next requests have come: who is to have them? */
export interface AskedFor {
  readonly fds: readonly number[];
  /** The delivery's number of the first, those of the others follow. */
  readonly first: number;
  /** The delivery that asks may be chosen. */
  readonly mayStay: boolean;
}

// One for the whole thread: a message is written and read in one go.
let messenger: FdMessenger | undefined;

export class WayBack {
  readonly slot: number;
  readonly fd: number;
  isWatched = true;
  /** What has come, and waits until its lane has been read. */
  readonly undecided: (GivenBack | AskedFor)[] = [];
  /** Numbers of those that it keeps, and for which there was no room. */
  readonly #owed: number[] = [];
  readonly #blocked: Set<WayBack>;

  /** Takes over the fd. It is in `blocked` while a word waits for room. */
  constructor(slot: number, fd: number, blocked: Set<WayBack>) {
    this.#blocked = blocked;
    this.slot = slot;
    this.fd = fd;
    messenger ??= createFdMessenger(GIVEN_MESSAGE_MAX + 1);
  }

  /**
   * The next connection; undefined when there is none now, and `end` when there will be none. The fd is the caller's, who says a
   * word about it. Throws a RangeError for what is no such message.
   */
  read(): GivenBack | AskedFor | 'end' | undefined {
    const { fds, bytes } = messenger!;
    for (;;) {
      const n = messenger!.receive(this.fd);
      if (n === EAGAIN || n === EINTR) return undefined;
      // It is gone with words unread; what it has given is still there.
      if (n === ECONNRESET) continue;
      if (n === 0) return 'end';
      if (n < 0) throw new RangeError(`its way back broke: ${errnoName(n)}`);
      const { received, truncated } = messenger!;
      const asked = readAsked(bytes, n);
      if (asked && received <= asked.count && (truncated || received === asked.count)) {
        // What this process has no fd left for stays.
        for (let i = received; i < asked.count; i++) this.keep((asked.first + i) >>> 0);
        return { ...asked, fds: [...fds.subarray(0, received)] };
      }
      const given = readGiven(bytes, n);
      if (given && received === 1) return { fd: fds[0]!, ...given };
      fds.subarray(0, received).forEach(closeFd);
      if (!given || !truncated) throw new RangeError('not a message of a way back');
      // This process has no fd left for it.
      this.keep(given.number);
    }
  }

  /**
   * It is the head's: true when that could be said, and only then is it so; or when nobody is there to hear it: whoever closes a
   * way back with something on its way has given that up, most of all by dying.
   */
  move(number: number): boolean {
    if (this.#owed.length > 0) return false;
    const sent = this.#say(MOVED, number);
    return sent >= 0 || sent === EPIPE || sent === ECONNRESET;
  }

  /** It stays the delivery's. Throws a RangeError for one that reads no words and gives without end. */
  keep(number: number): void {
    if (this.#owed.length === 0 && this.#isSaid(number)) return;
    if (this.#owed.length === GIVEN_MAX)
      throw new RangeError('it does not hear what becomes of what it gives');
    this.#owed.push(number);
    this.#blocked.add(this);
  }

  /** What has become of `count` from `first` on, as `move` for those that move; false: nothing was said, and nothing is so. */
  answer(first: number, answers: Uint8Array, count: number): boolean {
    if (this.#owed.length > 0) return false;
    const sent = messenger!.send(this.fd, writeAnswer(messenger!.bytes, first, answers, count), 0);
    return sent >= 0 || sent === EPIPE || sent === ECONNRESET;
  }

  flush(): void {
    while (this.#owed.length > 0 && this.#isSaid(this.#owed[0]!)) this.#owed.shift();
    if (this.#owed.length === 0) this.#blocked.delete(this);
  }

  /** Whatever is wrong with it is seen by reading. */
  #isSaid(number: number): boolean {
    return this.#say(KEPT, number) !== EAGAIN;
  }

  /** >= 0, or -errno. */
  #say(kind: number, number: number): number {
    return messenger!.send(this.fd, writeWord(messenger!.bytes, kind, number), 0);
  }

  /** The delivery can give nothing more; what it has given is still to be read. */
  refuse(): void {
    endReading(this.fd);
  }

  close(): void {
    this.#blocked.delete(this);
    closeFd(this.fd);
  }
}
