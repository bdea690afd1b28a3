/**
 * Reading request heads: from a connection's first byte to the moment when its mode acts, or when it is clear that
 * there will be no request.
 */
import type { Calls } from '../../shared/sys/calls.ts';
import { EAGAIN, EINTR } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import { hidesInput, peek } from '../../shared/sys/sockets.ts';
import { createFound } from '../found.ts';
import { modeHandlers } from '../modes/index.ts';
import { type ModeHandler, NOBODY } from '../modes/mode.ts';
import type { InspectionFailure } from '../refusals.ts';
import type { Clock } from './clock.ts';
import type { Connections } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import { Fifo } from './fifo.ts';
import { forgetTarget, mayDecide } from './inspect/http.ts';
import { inspect } from './inspect/index.ts';
import { COMPLETE, INCOMPLETE, REFUSED } from './inspect/kind.ts';
import { ENDED, type Look, Looks, MORE, NEW, PAUSED, STOPPING } from './looks.ts';
import { Partial, Pauses } from './partial.ts';

export interface ReaderParts {
  readonly connections: Connections;
  readonly desk: WorkerDesk;
  readonly calls: Calls;
  readonly clock: Clock;
  /** The longest head, bytes. */
  readonly headBytes: number;
  readonly timeoutMs: number;
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
  readonly #limit: number;
  readonly #timeoutMs: number;
  readonly #waiting: Fifo;
  /** Those of which a part has come. */
  readonly #partials = new Map<number, Partial>();
  readonly #pauses = new Pauses();
  readonly #looks: Looks;
  readonly #again: Memory;
  #stoppingSince = Number.POSITIVE_INFINITY;

  constructor({ connections, desk, calls, clock, headBytes, timeoutMs }: ReaderParts) {
    this.#connections = connections;
    this.#desk = desk;
    this.#clock = clock;
    this.#limit = headBytes;
    this.#timeoutMs = timeoutMs;
    this.#waiting = new Fifo(connections.links);
    this.#again = allocate(headBytes);
    this.#looks = new Looks(calls, headBytes);
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
    if (!this.#handlerOf(fd).consumes) this.#looks.peek(fd, why);
    else this.#looks.take(fd, why, why === NEW ? 0 : (this.#partials.get(fd)?.have ?? 0));
  }

  /** Reads what there is of the heads that `begin` and `more` named and acts on those that are decided. */
  flush(): void {
    this.#looks.run(this.#advance);
  }

  readonly #advance = ({ fd, why, memory }: Look, n: number): void => {
    const isNew = why === NEW;
    const partial = isNew ? undefined : this.#partials.get(fd);
    if (n === EAGAIN || n === EINTR) {
      if (partial) this.#foundNoMore(partial, why);
      else if (isNew) this.#wait(fd);
      else if (why === STOPPING) {
        this.#leave(fd);
        this.#desk.abandon(fd, 'stopped');
      }
      return;
    }
    const { consumes } = this.#handlerOf(fd);
    const before = partial?.have ?? 0;
    const length = Math.max(n, 0) + (consumes ? before : 0);
    if (n < 0 || length === 0) {
      if (!isNew) this.#leave(fd);
      return this.#desk.abandon(fd, 'client_gone');
    }
    const isLast = why === ENDED || n === 0;
    if (partial && length <= before && !isLast) return this.#foundNoMore(partial, why);
    const bytes = partial && consumes ? partial.append(memory.bytes, n, this.#limit) : memory.bytes;
    const isWorthIt =
      !partial || isLast || length >= this.#limit || mayDecide(bytes, before, length, partial.lineIsWhole);
    const verdict = isWorthIt ? inspect(this.#found, bytes, length, this.#limit) : INCOMPLETE;
    if (verdict === INCOMPLETE && !isLast) {
      const grown = partial ?? this.#beginPartial(fd, isNew);
      if (isWorthIt) {
        grown.lineIsWhole = this.#found.lineEnd > 0;
        grown.isHead = this.#found.isHead;
      }
      if (!partial && consumes) grown.append(memory.bytes, n, this.#limit);
      grown.have = length;
      return this.#hasGrown(grown);
    }
    if (!isNew) this.#leave(fd);
    this.#conclude(fd, verdict, length);
  };

  /** Acts on what the inspection has just found in all `length` bytes. */
  #conclude(fd: number, verdict: number, length: number): void {
    const found = this.#found;
    if (verdict === COMPLETE) {
      const handler = this.#handlerOf(fd);
      this.#connections.mayClose[fd] = found.isLast && handler.consumes && found.end === length ? 1 : 0;
      return handler.act(this.#desk, fd, found, NOBODY);
    }
    if (verdict === REFUSED) this.#desk.fail(fd, found.failure, found.answer, found.isHead);
    else this.#desk.fail(fd, 'incomplete', 'badRequest', found.isHead);
  }

  #beginPartial(fd: number, isNew: boolean): Partial {
    const partial = new Partial(fd);
    this.#partials.set(fd, partial);
    if (isNew) {
      // Reports what came since the look, and what was there as well.
      this.#wait(fd);
      partial.isEcho = !this.#handlerOf(fd).consumes;
    }
    return partial;
  }

  #hasGrown(partial: Partial): void {
    partial.looks++;
    partial.idleLooks = 0;
    partial.isEcho = partial.isEcho && partial.looks === 1;
    this.#pause(partial);
  }

  /** Has it looked at again after a while; until then it is left alone when it has had many looks. */
  #pause(partial: Partial): void {
    if (partial.mustPause && partial.isWatched) {
      this.#connections.rest(partial.fd);
      partial.isWatched = false;
      if (!this.#handlerOf(partial.fd).consumes) partial.holdBuffer();
    }
    if (!partial.isPausing) this.#pauses.begin(partial, this.#clock.now);
  }

  /** A look found what the one before found. */
  #foundNoMore(partial: Partial, why: number): void {
    if (why === PAUSED) return this.#hasStopped(partial);
    if (partial.isEcho) {
      partial.isEcho = false;
      return;
    }
    // Something comes that can not be seen (behind an urgent byte, say): that must not cost a look for each packet either.
    partial.looks++;
    this.#pause(partial);
  }

  /** It has not grown during a pause. */
  #hasStopped(partial: Partial): void {
    const { fd } = partial;
    const { consumes } = this.#handlerOf(fd);
    if (!consumes && hidesInput(fd)) return this.#handAsItIs(fd);
    if (!partial.isWatched) {
      this.#connections.watchInput(fd);
      partial.isWatched = true;
      partial.isEcho = !consumes;
    }
    if (partial.idleLooks++ === 0 && !consumes) this.#pauses.beginLast(partial, this.#clock.now);
  }

  /**
   * Hands over a head of which no more can be seen while it is in its socket, because it fills the socket's buffer or has an
   * urgent byte in it, or for which this head has no time: the server reads on.
   */
  #handAsItIs(fd: number): void {
    const n = peek(fd, this.#again, 0, this.#limit);
    const verdict = n > 0 ? inspect(this.#found, this.#again.bytes, n, this.#limit) : INCOMPLETE;
    this.#leave(fd);
    if (n <= 0) return this.#desk.abandon(fd, 'client_gone');
    if (verdict !== INCOMPLETE) return this.#conclude(fd, verdict, n);
    this.#actOnPart(fd, NOBODY);
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
    const partial = this.#partials.get(fd);
    partial?.end();
    this.#partials.delete(fd);
  }

  /**
   * A connection that was handed over has come back, from the delivery in the slot `from`: its request is still in its
   * socket, and its mode acts on it once more. What was handed over as it was may be so again.
   */
  again(fd: number, from: number): void {
    const n = peek(fd, this.#again, 0, this.#limit);
    const verdict = n > 0 ? inspect(this.#found, this.#again.bytes, n, this.#limit) : REFUSED;
    if (verdict === REFUSED) this.#desk.abandon(fd, 'client_gone');
    else if (verdict === INCOMPLETE) this.#actOnPart(fd, from);
    else this.#handlerOf(fd).act(this.#desk, fd, this.#found, from);
  }

  get #isStopping(): boolean {
    return this.#stoppingSince < Number.POSITIVE_INFINITY;
  }

  /** Ends those that have timed out; the milliseconds until the next has. */
  tick(now: number): number {
    const untilLook = this.#pauses.tick(now, this.#lookAfterPause);
    this.flush();
    if (this.#isStopping) this.#closeLate(now);
    while (this.#waiting.oldestSince + this.#timeoutMs <= now) this.#fail(this.#waiting.oldest, 'too_slow');
    if (this.#isStopping && this.#waiting.size > 0) return Math.min(untilLook, SILENT_LOOK_MS);
    return Math.min(untilLook, this.#waiting.oldestSince + this.#timeoutMs - now);
  }

  readonly #lookAfterPause = ({ fd }: Partial): void => this.#look(fd, PAUSED);

  /** Gives up on the one that has waited longest; false when there is none. */
  evict(): boolean {
    if (this.#waiting.size === 0) return false;
    this.#fail(this.#waiting.oldest, 'crowded');
    return true;
  }

  #fail(fd: number, failure: InspectionFailure): void {
    const isHead = this.#partials.get(fd)?.isHead ?? false;
    this.#leave(fd);
    this.#desk.fail(fd, failure, 'timeout', isHead);
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
      if (!this.#partials.has(fd)) {
        if (hasLong) this.#look(fd, STOPPING);
      } else if (!this.#handlerOf(fd).consumes) {
        if (hasLong) this.#handAsItIs(fd);
      } else if (hasLong && this.#stoppingSince + SILENT_MS <= now) this.#fail(fd, 'stopped');
    }
    this.flush();
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
