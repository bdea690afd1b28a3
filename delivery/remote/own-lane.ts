/**
 * The delivery's end of a lane that it has opened for one of a head's workers: connections are offered over it and committed, as
 * over the link (session.ts), without a stream of Node's between the socket and them.
 */
import { type Readiness, watchReadable } from '../../shared/sys/readiness.ts';
import { closeKept } from '../../shared/sys/thread-end.ts';
import type { LaneSocket } from '../../shared/wire/remote/lane-socket.ts';
import { checkToRemote, type FromRemote, IDS_MAX, type ToRemote } from '../../shared/wire/remote/messages.ts';

/** Connections that have come to life are told of with the next answer, at the latest after this long (milliseconds). */
const SAY_LIVE_MS = 20;

export interface OwnLaneEvents {
  /** `adopt`, `commit` or `abort`; what to answer. Throws PROTOCOL. */
  hear(message: ToRemote, lane: OwnLane): FromRemote | undefined;
  /** What was heard has been answered: the application may run now. */
  serve(): void;
  /** It has ended, and what came over it before has been heard. `problem`: it made no sense. */
  onEnd(lane: OwnLane, problem?: string): void;
}

export class OwnLane {
  readonly #socket: LaneSocket;
  readonly #events: OwnLaneEvents;
  /** Undefined until it is to be heard. */
  #ready: Readiness | undefined;
  /** Activated, not said yet. */
  #live: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isInUse = false;
  /** Milliseconds of performance.now(); see `hurry`. */
  #hurriesUntil = 0;
  #open = true;

  /** Takes over the socket. Nothing is heard on it before `listen`. */
  constructor(socket: LaneSocket, events: OwnLaneEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  listen(): void {
    this.#ready = watchReadable(this.#socket.fd, () => this.#read());
    this.#ready.unref();
  }

  /** The head has said something over it: it counts on it. */
  get isInUse(): boolean {
    return this.#isInUse;
  }

  #read(): void {
    this.#do(() => {
      for (const message of this.#socket.read()) this.#hear(message);
      this.#flush();
    });
    if (this.#open && this.#socket.end) this.#end();
    // Nothing comes after it.
    this.#events.serve();
  }

  #hear(value: unknown): void {
    const message = checkToRemote(value);
    this.#isInUse = true;
    if (message.type === 'open') return;
    const answer = this.#events.hear(message, this);
    if (answer) this.#socket.send(answer);
  }

  /** Who waits for the answers is a client; what is live goes with them. */
  #flush(): void {
    if (this.#live.length > 0 && (this.#socket.isBlocked || this.#hurries)) this.#addLive();
    this.#socket.flush();
    this.#ready?.watchWritable(this.#socket.isFull);
  }

  /** They have come to life. Nobody waits for the word: until then the head keeps what it would need to reset them. */
  sayLive(id: number): void {
    this.#live.push(id);
    if (this.#live.length === IDS_MAX) this.#addLive();
    this.#timer ??= setTimeout(() => this.#do(() => this.#sayLiveNow()), SAY_LIVE_MS);
  }

  /** What is live is said at once until then, milliseconds of performance.now(). */
  hurry(until: number): void {
    this.#hurriesUntil = until;
    this.#do(() => this.#sayLiveNow());
  }

  get #hurries(): boolean {
    if (this.#hurriesUntil > 0 && performance.now() > this.#hurriesUntil) this.#hurriesUntil = 0;
    return this.#hurriesUntil > 0;
  }

  #addLive(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#socket.send({ type: 'live', ids: this.#live });
    this.#live = [];
  }

  #sayLiveNow(): void {
    if (this.#live.length > 0) this.#addLive();
    this.#flush();
  }

  #do(work: () => void): void {
    if (!this.#open) return;
    try {
      work();
    } catch (error) {
      this.#end((error as Error).message);
    }
  }

  #end(problem?: string): void {
    if (!this.#open) return;
    this.close();
    this.#events.onEnd(this, problem);
  }

  /** The link has ended: hears what has come meanwhile, and says what it can. True when no more will come. */
  finish(): boolean {
    this.#do(() => {
      for (const message of this.#socket.readAll()) this.#hear(message);
      this.#sayLiveNow();
    });
    return !this.#open || this.#socket.end !== undefined;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#timer);
    this.#ready?.close();
    closeKept(this.#socket.fd);
  }
}
