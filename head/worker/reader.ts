/**
 * Looking at first bytes: from the first one to the moment when the connection's mode acts, or when it is clear that there
 * will be nothing to act on. All of it stays in the socket.
 */
import type { Calls } from '../../shared/sys/calls.ts';
import { EAGAIN, EINTR } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import { hidesInput, peek } from '../../shared/sys/sockets.ts';
import { createFound } from '../found.ts';
import { modeHandlers } from '../modes/index.ts';
import { type ModeHandler, NOBODY } from '../modes/mode.ts';
import { HTTP, type InspectionFailure, TLS, UNHEARD } from '../refusals.ts';
import type { Tuning } from '../worker-messages.ts';
import type { Clock } from './clock.ts';
import type { Connections } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import { Fifo } from './fifo.ts';
import { forgetTarget } from './inspect/http.ts';
import { INSPECTED_MAX, inspect } from './inspect/index.ts';
import { COMPLETE, INCOMPLETE, REFUSED } from './inspect/kind.ts';
import { ENDED, type Look, Looks, MORE, NEW, PAUSED, STOPPING } from './looks.ts';
import { Pacing } from './pacing.ts';
import type { Partial } from './partial.ts';

export interface ReaderParts {
  readonly connections: Connections;
  readonly desk: WorkerDesk;
  readonly calls: Calls;
  readonly clock: Clock;
  readonly tuning: Pick<Tuning, 'headBytes' | 'headTimeoutMs'>;
  readonly headBytesMax: number;
}

/** While the head stops, a client may be silent for so long: what it has just sent may be on its way. Milliseconds. */
const SILENT_MS = 1000;
/** How often that is looked after then, milliseconds. */
const SILENT_LOOK_MS = 50;

export class RequestReader {
  readonly #connections: Connections;
  readonly #desk: WorkerDesk;
  readonly #clock: Clock;
  readonly #found = createFound();
  readonly #tuning: ReaderParts['tuning'];
  /** The longest request head, bytes. */
  #limit = 0;
  /** What one look sees, bytes. */
  #lookBytes = 0;
  readonly #waiting: Fifo;
  readonly #pacing: Pacing;
  readonly #looks: Looks;
  readonly #again: Memory;
  #stoppingSince = Number.POSITIVE_INFINITY;

  constructor({ connections, desk, calls, clock, tuning, headBytesMax }: ReaderParts) {
    this.#connections = connections;
    this.#desk = desk;
    this.#clock = clock;
    this.#tuning = tuning;
    this.#waiting = new Fifo(connections.links);
    this.#pacing = new Pacing(connections, clock);
    const most = Math.max(headBytesMax, INSPECTED_MAX);
    this.#again = allocate(most);
    this.#looks = new Looks(calls, most);
    this.tune();
  }

  /** What it was told may have changed. */
  tune(): void {
    this.flush();
    this.#limit = this.#tuning.headBytes;
    this.#lookBytes = Math.max(this.#limit, INSPECTED_MAX);
    this.#looks.bytes = this.#lookBytes;
  }

  #handlerOf(fd: number): ModeHandler {
    return modeHandlers[this.#connections.mode[fd]!]!;
  }

  /** A connection that was just accepted. What it leads to comes with `flush`, or before. */
  begin(fd: number): void {
    this.#look(fd, NEW);
  }

  /** There is more of it, or (`ended`) the client has sent all that it will. */
  more(fd: number, ended: boolean): void {
    this.#look(fd, ended ? ENDED : MORE);
  }

  /** It broke before its request was complete. */
  broke(fd: number): void {
    this.#leave(fd);
    this.#desk.abandon(fd, 'client_gone');
  }

  #look(fd: number, why: number): void {
    if (this.#looks.isFull) this.flush();
    this.#looks.peek(fd, why);
  }

  /** Reads what there is of the heads that `begin` and `more` named and acts on those that are decided. */
  flush(): void {
    this.#looks.run(this.#advance);
  }

  readonly #advance = ({ fd, why, memory }: Look, n: number): void => {
    const isNew = why === NEW;
    const partial = isNew ? undefined : this.#pacing.of(fd);
    if (n === EAGAIN || n === EINTR) {
      if (partial) this.#foundNoMore(partial, why);
      else if (isNew) this.#wait(fd);
      else if (why === STOPPING) {
        this.#leave(fd);
        this.#desk.abandon(fd, 'stopped');
      }
      return;
    }
    if (n <= 0) {
      if (!isNew) this.#leave(fd);
      return this.#desk.abandon(fd, 'client_gone');
    }
    const isLast = why === ENDED;
    if (partial && n <= partial.have && !isLast) return this.#foundNoMore(partial, why);
    const { bytes } = memory;
    const isWorthIt = !partial || isLast || n >= this.#limit || partial.mayDecide(bytes, n);
    let verdict = isWorthIt ? inspect(this.#found, bytes, n, this.#limit) : INCOMPLETE;
    if (isWorthIt && this.#found.isEnough && (isLast || !this.#desk.looksInside)) verdict = COMPLETE;
    if (verdict === INCOMPLETE && !isLast) {
      const grown = partial ?? this.#pacing.begin(fd);
      if (isWorthIt) grown.keep(this.#found);
      // What was there already is not reported where it is not enough.
      if (isNew) this.#wait(fd);
      grown.have = n;
      this.#connections.unread[fd] = n;
      return this.#pacing.grown(grown);
    }
    if (!isNew) this.#leave(fd);
    this.#conclude(fd, verdict, n);
  };

  /** Acts on what the inspection has just found in all `length` bytes. */
  #conclude(fd: number, verdict: number, length: number): void {
    const found = this.#found;
    this.#connections.unread[fd] = length;
    if (verdict === COMPLETE) {
      this.#connections.mayClose[fd] = found.isLast && found.end === length ? 1 : 0;
      return this.#handlerOf(fd).act(this.#desk, fd, found, NOBODY);
    }
    if (verdict === REFUSED) this.#desk.fail(fd, found.failure, found.answer, found);
    else this.#desk.fail(fd, 'incomplete', 'badRequest', found);
  }

  /** A look found what the one before found. */
  #foundNoMore(partial: Partial, why: number): void {
    if (why === PAUSED && (partial.isEnough || hidesInput(partial.fd))) this.#handAsItIs(partial.fd);
    else this.#pacing.notGrown(partial, why);
  }

  /**
   * Hands over a head of which no more can be seen while it is in its socket, because it fills the socket's buffer or has an
   * urgent byte in it, or for which this head has no time: the server reads on.
   */
  #handAsItIs(fd: number): void {
    const n = this.#peekAgain(fd);
    const verdict = n > 0 ? inspect(this.#found, this.#again.bytes, n, this.#limit) : INCOMPLETE;
    this.#leave(fd);
    if (n <= 0) return this.#desk.abandon(fd, 'client_gone');
    if (verdict !== INCOMPLETE) return this.#conclude(fd, verdict, n);
    this.#actOnPart(fd, NOBODY);
  }

  #peekAgain(fd: number): number {
    const n = peek(fd, this.#again, 0, this.#lookBytes);
    this.#connections.unread[fd] = Math.max(n, 0);
    return n;
  }

  #actOnPart(fd: number, from: number): void {
    if (this.#found.lineEnd === 0) forgetTarget(this.#found);
    this.#handlerOf(fd).act(this.#desk, fd, this.#found, from);
  }

  #wait(fd: number): void {
    this.#waiting.join(fd, this.#clock.now);
    this.#connections.watchInput(fd);
  }

  #leave(fd: number): void {
    this.#waiting.leave(fd);
    this.#pacing.leave(fd);
  }

  /**
   * A connection that was handed over has come back, from the delivery in the slot `from`: its request is still in its
   * socket, and its mode acts on it once more. What was handed over as it was may be so again.
   */
  again(fd: number, from: number): void {
    const n = this.#peekAgain(fd);
    const verdict = n > 0 ? inspect(this.#found, this.#again.bytes, n, this.#limit) : REFUSED;
    if (verdict === REFUSED) this.#desk.abandon(fd, 'client_gone');
    else if (verdict === INCOMPLETE) this.#actOnPart(fd, from);
    else this.#handlerOf(fd).act(this.#desk, fd, this.#found, from);
  }

  /** Ends those that have timed out; the milliseconds until the next has. */
  tick(now: number): number {
    const untilLook = this.#pacing.tick(now, this.#lookAfterPause);
    this.flush();
    const isStopping = this.#stoppingSince < Number.POSITIVE_INFINITY;
    if (isStopping) this.#closeLate(now);
    const { headTimeoutMs } = this.#tuning;
    while (this.#waiting.oldestSince + headTimeoutMs <= now) this.#fail(this.#waiting.oldest, 'too_slow');
    if (isStopping && this.#waiting.size > 0) return Math.min(untilLook, SILENT_LOOK_MS);
    return Math.min(untilLook, this.#waiting.oldestSince + headTimeoutMs - now);
  }

  readonly #lookAfterPause = ({ fd }: Partial): void => this.#look(fd, PAUSED);

  /** Gives up on the one that has waited longest; false when there is none. */
  evict(): boolean {
    if (this.#waiting.size === 0) return false;
    this.#fail(this.#waiting.oldest, 'crowded');
    return true;
  }

  #fail(fd: number, failure: InspectionFailure): void {
    const partial = this.#pacing.of(fd);
    this.#leave(fd);
    const name = failure === 'too_slow' && partial?.speaks === TLS ? 'hello_too_slow' : failure;
    this.#desk.fail(fd, name, 'timeout', partial ?? UNHEARD);
  }

  /**
   * From here on clients have a second, no more: the deliveries are their successor's too. Who has not said a word is closed,
   * nothing was asked; a head of which a part has come is handed over so, and the server waits for the rest; where the head
   * itself would have to answer, it tells the client to ask again.
   */
  stop(): void {
    this.#stoppingSince = this.#clock.now;
  }

  #closeLate(now: number): void {
    const { since } = this.#connections.links;
    for (const fd of this.#waiting.all()) {
      const hasLong = since[fd]! + SILENT_MS <= now;
      const partial = this.#pacing.of(fd);
      if (!partial) {
        if (hasLong) this.#look(fd, STOPPING);
      } else if (!this.#handlerOf(fd).answers || partial.speaks !== HTTP) {
        if (hasLong) this.#handAsItIs(fd);
      } else if (hasLong && this.#stoppingSince + SILENT_MS <= now) this.#fail(fd, 'stopped');
    }
    this.flush();
  }

  /** Those that wait for their clients, the one that has waited longest first. */
  get all(): readonly number[] {
    return this.#waiting.all();
  }

  /** One that another head had begun to look at: it waits since `since`, and what has come is looked at from the start. */
  resume(fd: number, since: number): void {
    this.#waiting.join(fd, since);
    // What is there already is reported as well.
    this.#connections.watchInput(fd);
  }

  /** Closes all that wait. */
  close(): void {
    while (this.#waiting.oldest >= 0) {
      const fd = this.#waiting.oldest;
      this.#leave(fd);
      this.#desk.abandon(fd, 'stopped');
    }
  }
}
