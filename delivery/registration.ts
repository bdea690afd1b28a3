/**
 * A delivery's place under its head: sought as long as there is none, taken again when it is lost, given back in order.
 * Meanwhile a timer, and nothing that a session needs, keeps the process alive as a server does that listens, if it may.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError, errorCatalogue } from '../shared/errors.ts';
import { SystemError } from '../shared/sys/libc.ts';
import type { Introduction, Moves } from '../shared/wire/control.ts';
import type { Log } from './apart.ts';
import type { HeadAddress } from './head-address.ts';
import type { Session, SessionEvents } from './session.ts';

/** To find nobody costs next to nothing, and visits wait for the one that finds somebody, milliseconds. */
const RETRY_MS = 25;
/** A head that refuses has been asked for something, and says so in its log. */
const REFUSED_RETRY_MS = 200;
/** On another host nobody can be found at little cost for so long; from then on the network is spared. */
const EAGER_MS = 60_000;
const FAR_RETRY_MS = 1000;
const FOREVER_MS = 2 ** 31 - 1;
/** For an answer of a head that one leaves, milliseconds. */
const LEAVE_WITHIN_MS = 5000;

export interface RegistrationParts {
  readonly head: HeadAddress;
  readonly log: Log;
  /** As things stand: asked before each attempt. */
  introduce(): Introduction;
  /** It was refused for good: whether that is the end of the search. */
  mayGiveUp(): boolean;
  /** Connections that it holds. */
  countActive(): number;
  /** What of its connections it can give back. */
  readonly moves: Moves;
  readonly events: Omit<SessionEvents, 'onEnd' | 'onSuccessor'>;
}

/** A session that is wanted, and may be had by now. */
interface Attempt {
  readonly opened: Promise<Session>;
  /** With the reason; never before it has been opened. */
  readonly ended: Promise<string>;
  readonly introduction: Introduction;
}

export class Registration {
  /** Resolves with the first welcome; rejects when the head refuses for good, or it is given up before. */
  readonly ready: Promise<void>;
  readonly #parts: RegistrationParts;
  readonly #welcomed = Promise.withResolvers<void>();
  /** Ends the search; undefined while there is none. */
  #stop: AbortController | undefined;
  #searching: Promise<void> = Promise.resolve();
  /** Keeps the process alive. */
  #anchor: NodeJS.Timeout | undefined;
  #isRef = true;
  #readyIsAwaited = false;
  #session: Session | undefined;
  /** With a successor of the head that it has, which welcomes it when it takes over: made before the other one is broken. */
  #next: Attempt | undefined;
  /** The one whose session is, or is awaited. */
  #current: Attempt | undefined;
  /** Where the head sends clients, as it was told. */
  #direct: string | null = null;
  /** A head has known this delivery. */
  #wasIn = false;
  /** The session ends because another one is to be had. */
  #renewing = false;
  /** The head that it had has named a successor, which is to be had at once. */
  #hasSuccessor = false;
  /** Connections that the last hello called active and that ended before there was a session to say so. */
  #unreported = 0;

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
    this.ready = this.#welcomed.promise;
    // Whoever does not wait for it still finds the reason in the log.
    this.ready.catch(() => {});
  }

  /** It has, or seeks, a place. */
  get isIn(): boolean {
    return this.#stop !== undefined;
  }

  get wasIn(): boolean {
    return this.#wasIn;
  }

  /** A head has it now. */
  get isRegistered(): boolean {
    return this.#session !== undefined;
  }

  /** Of the head that has it now. */
  get waysBack(): Session['waysBack'] {
    return this.#session?.waysBack ?? [];
  }

  start(): void {
    if (this.#stop) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.#anchor = setInterval(() => {}, FOREVER_MS);
    this.#hold();
    this.#searching = this.#searching.then(() => this.#keep(stop.signal));
  }

  /** Whether it keeps the process alive. To take leave it does in any case, and for who awaits the first welcome. */
  ref(on: boolean): void {
    this.#isRef = on;
    this.#hold();
  }

  /** Somebody asks for `ready`. */
  awaitReady(): Promise<void> {
    this.#readyIsAwaited = true;
    this.#hold();
    return this.ready;
  }

  #hold(): void {
    if (!this.#stop) return;
    if (this.#isRef || (this.#readyIsAwaited && !this.#wasIn)) this.#anchor?.ref();
    else this.#anchor?.unref();
  }

  /** Something of the introduction may have changed: the head is told, which takes a registration of its own. */
  async renew(): Promise<void> {
    const session = this.#session;
    if (!session || this.#renewing || this.#parts.introduce().direct === this.#direct) return;
    this.#renewing = true;
    await session.drain();
    await session.leave();
  }

  /** A connection has ended whose session has ended before. */
  formerEnded(): void {
    if (this.#session) this.#session.formerEnded(1);
    else this.#unreported++;
  }

  /**
   * Nothing more is given; resolves when the head knows, or without it when `late` does or it does not answer. `meanwhile` is what
   * takes a head, and is done when nothing more comes.
   */
  async leave(late: Promise<unknown>, meanwhile: () => Promise<void>): Promise<void> {
    const searching = this.#searching;
    const stop = this.#stop;
    const session = this.#session;
    const anchor = this.#anchor?.ref();
    this.#stop = undefined;
    if (stop) {
      await soon(session?.drain(), late);
      stop.abort();
      if (this.#session) await Promise.race([meanwhile(), late]);
      await soon(session?.leave(), late);
      session?.close();
      // Another one may have come in its place meanwhile.
      this.#session?.close();
    }
    await searching;
    clearInterval(anchor);
    if (!this.#stop) this.#welcomed.reject(new BatonError('NOT_RUNNING', { path: this.#parts.head.name }));
  }

  async #keep(stop: AbortSignal): Promise<void> {
    const told = new Set<string>();
    let since = performance.now();
    while (!stop.aborted) {
      let wait = this.#parts.head.isFar && performance.now() - since > EAGER_MS ? FAR_RETRY_MS : RETRY_MS;
      const began = performance.now();
      try {
        await this.#serve(stop, () => told.clear());
        since = performance.now();
        // A head that lets it go as soon as it has come is not asked without a pause.
        if (this.#renewing || this.#hasSuccessor || this.#next) wait = since - began > RETRY_MS ? 0 : 1;
        this.#renewing = false;
      } catch (error) {
        if (stop.aborted) break;
        const isForGood = isFinal(error) && !this.#wasIn;
        if (isForGood && this.#parts.mayGiveUp()) return this.#giveUp(error as Error);
        if (isForGood || isRefusal(error)) wait = REFUSED_RETRY_MS;
        this.#tell(error as Error, told);
      }
      if (wait > 0) await delay(wait, undefined, { signal: stop, ref: false }).catch(() => {});
    }
  }

  /** One session, from hello to its end. Throws when there is none to be had. */
  async #serve(stop: AbortSignal, onWelcome: () => void): Promise<void> {
    const { head, log } = this.#parts;
    this.#current = this.#next ?? this.#attempt(stop);
    this.#next = undefined;
    const { opened, ended, introduction } = this.#current;
    const session = await opened;
    const { name } = introduction;
    if (stop.aborted) return session.close();
    this.#session = session;
    this.#direct = introduction.direct;
    this.#wasIn = true;
    this.#hold();
    if (this.#unreported > 0) session.formerEnded(this.#unreported);
    onWelcome();
    this.#welcomed.resolve();
    log.info({ delivery: name, head: head.name }, 'registered with the head');
    // The server may have begun to listen meanwhile.
    void this.renew();
    const reason = await ended;
    this.#session = undefined;
    if (stop.aborted || this.#renewing) return;
    if (this.#next) log.info({ delivery: name }, `${reason}; its successor has been asked already`);
    else log.warn({ delivery: name }, `${reason}; registering again`);
  }

  #attempt(stop: AbortSignal): Attempt {
    const { head, events, countActive, introduce, moves } = this.#parts;
    const introduction = introduce();
    const ended = Promise.withResolvers<string>();
    this.#unreported = 0;
    const opened = head.open(
      introduction,
      countActive(),
      {
        ...events,
        onSuccessor: () => {
          if (this.#current === attempt) this.#makeNext(stop);
        },
        onEnd: (reason, hasSuccessor) => {
          ended.resolve(reason);
          if (this.#current !== attempt) return;
          this.#session = undefined;
          this.#hasSuccessor = hasSuccessor;
        },
      },
      stop,
      moves,
    );
    const attempt = { opened, ended: ended.promise, introduction };
    return attempt;
  }

  /** One at a time. Its welcome says that the head before has nothing more to say; where there is none nothing has been. */
  #makeNext(stop: AbortSignal): void {
    if (this.#next || this.#renewing || stop.aborted || !this.#stop) return;
    const next = this.#attempt(stop);
    this.#next = next;
    next.opened.then(
      (session) => {
        // Leave was taken meanwhile, or the one before has ended, and this one is in its place.
        if (stop.aborted || !this.#stop) session.close();
        else if (this.#next === next) this.#session?.close();
      },
      () => {
        if (this.#next === next) this.#next = undefined;
      },
    );
  }

  /** Once is enough for the same trouble. */
  #tell({ message }: Error, told: Set<string>): void {
    if (!told.has(message))
      this.#parts.log.warn({ head: this.#parts.head.name }, `waiting for a head: ${message}`);
    told.add(message);
  }

  #giveUp(error: Error): void {
    this.#stop = undefined;
    clearInterval(this.#anchor);
    this.#welcomed.reject(error);
  }
}

/** A head that is stopped is not waited for. */
async function soon(answer: Promise<unknown> | undefined, late: Promise<unknown>): Promise<void> {
  const answered = new AbortController();
  const bound = delay(LEAVE_WITHIN_MS, undefined, { signal: answered.signal }).catch(() => {});
  await Promise.race([answer, late, bound]);
  answered.abort();
}

const isRefusal = (error: unknown): error is BatonError =>
  error instanceof BatonError && error.code === 'HEAD_REFUSED';

/**
 * What somebody has to change before it can succeed. Not for one that a head has known: whatever its successor has against
 * it may pass, and who fixes it does not think of restarting a delivery.
 */
function isFinal(error: unknown): boolean {
  if (error instanceof SystemError) return false;
  if (!(error instanceof BatonError)) return true;
  const { fault, retry } = isRefusal(error) ? refusalOf(error) : error;
  return fault === 'user' && !retry;
}

/** What a head refused with; a word of a later release's is taken as said for good. */
function refusalOf(error: BatonError): { fault: string; retry: boolean } {
  const { code } = error.details;
  return errorCatalogue[code as keyof typeof errorCatalogue] ?? error;
}
