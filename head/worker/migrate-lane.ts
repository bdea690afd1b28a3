/**
 * The worker's end of the way to a delivery on another host. Where the delivery has opened a lane for this worker, the worker
 * moves connections itself (own-moves.ts). Until then, and for deliveries that open none, they are given to the main thread,
 * which moves them (see migrate/migrations.ts) and says of each what became of it; meanwhile the worker leaves their fds alone.
 */

import { closeFd } from '../../shared/sys/sockets.ts';
import type { FromWorker, OwnLane, Settlement, ToWorker } from '../worker-messages.ts';
import type { Lane } from './lane.ts';
import { OwnMoves, type OwnMovesParts } from './own-moves.ts';
import { steps } from './steps.ts';

export interface RemoteLaneParts extends Pick<OwnMovesParts, 'epoll'> {
  readonly tell: (message: FromWorker) => void;
  /** What became of one that this worker has moved itself; the fd of one that was `taken` is closed. */
  readonly settled: (fd: number, how: Settlement) => void;
  /** What came over the lane makes no sense. */
  readonly broken: (lane: RemoteLane, problem: string) => void;
}

export class RemoteLane implements Lane {
  readonly slot: number;
  /** Who moves them keeps the deadlines. */
  readonly isWatched = false;
  /** What it is given waits for its turn: the delivery's credits are the limit. */
  readonly isFull = false;
  readonly isBusy = false;
  /** Its own lane is watched by the one who reads it. */
  readonly watchedFd = -1;
  readonly #registration: number;
  readonly #parts: RemoteLaneParts;
  /** In the order in which they came; true: this worker moves it. */
  readonly #untaken = new Map<number, boolean>();
  #pushed: number[] = [];
  /** Of these. */
  #states: Map<number, Uint8Array> | undefined;
  #own: OwnMoves | undefined;
  #isClosing = false;

  constructor(slot: number, registration: number, parts: RemoteLaneParts) {
    this.slot = slot;
    this.#registration = registration;
    this.#parts = parts;
  }

  get untaken(): number {
    return this.#untaken.size;
  }

  get oldestUntaken(): number {
    for (const fd of this.#untaken.keys()) return fd;
    return -1;
  }

  get isBlocked(): boolean {
    return this.#pushed.length > 0;
  }

  get isConfirmed(): boolean {
    return this.#own?.isConfirmed ?? true;
  }

  push(fd: number, state?: Uint8Array): void {
    steps?.move(fd, this.slot);
    if (state) {
      this.#states ??= new Map();
      this.#states.set(fd, state);
    }
    this.#untaken.set(fd, false);
    this.#pushed.push(fd);
  }

  flush(): void {
    const fds = this.#pushed;
    this.#pushed = [];
    const states = this.#states;
    this.#states = undefined;
    if (!this.#own) {
      const { slot } = this;
      const registration = this.#registration;
      this.#parts.tell({ type: 'migrate', slot, registration, fds, ...(states && { states }) });
      return;
    }
    for (const fd of fds) this.#untaken.set(fd, true);
    this.#try((own) => {
      own.begin(fds, states);
      own.flush();
    });
  }

  gather(): void {
    this.flush();
  }

  /** The delivery has opened a lane for this worker: from here on it moves connections itself. */
  own(lane: OwnLane): void {
    if (this.#own || lane.registration !== this.#registration) return closeFd(lane.fd);
    const { epoll, tell } = this.#parts;
    const { slot } = this;
    this.#own = new OwnMoves(
      { slot, registration: this.#registration, epoll, tell, settle: (fd, how) => this.#settleOwn(fd, how) },
      lane,
    );
  }

  moveTo({ registration, hop }: ToWorker & { type: 'hop' }): void {
    if (registration === this.#registration) this.#own?.setHop(hop.way, hop.number);
  }

  #settleOwn(fd: number, how: Settlement): void {
    // Whoever closes the lane sees to what is left on it.
    if (!this.#isClosing) this.#parts.settled(fd, how);
  }

  /** What it does may show that the lane has broken. */
  #try(what: (own: OwnMoves) => void): void {
    if (!this.#own) return;
    try {
      what(this.#own);
    } catch (error) {
      this.#parts.broken(this, (error as Error).message);
    }
  }

  read(): number {
    this.#try((own) => {
      own.read();
      if (own.hasEnded) this.#lose();
    });
    return 0;
  }

  /**
   * The link ends as well, or the main thread lets the delivery go: it is about to say so. What had not moved waits for that, so
   * that its client is not sent to one that has gone.
   */
  #lose(): void {
    this.#closeOwn();
    this.#parts.tell({ type: 'lane-ended', slot: this.slot, registration: this.#registration });
  }

  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    this.#try((own) => {
      next = own.tick(now);
    });
    return next;
  }

  settle(fd: number): boolean {
    return this.#untaken.delete(fd);
  }

  #closeOwn(): void {
    this.#isClosing = true;
    this.#own?.close();
    this.#own = undefined;
  }

  /**
   * Whoever moves has settled all that was begun, and begins nothing more of this registration: what is left here
   * nobody has touched.
   */
  close(onUntaken: (fd: number) => void): void {
    this.#pushed = [];
    this.#states = undefined;
    this.#closeOwn();
    const left = [...this.#untaken.keys()];
    this.#untaken.clear();
    for (const fd of left) {
      steps?.kept(fd, this.slot);
      onUntaken(fd);
    }
  }

  /** What is in the main thread's hands stays there. */
  stop(onUntaken: (fd: number) => void): void {
    this.#closeOwn();
    for (const [fd, isOwn] of this.#untaken) {
      if (!isOwn) continue;
      this.#untaken.delete(fd);
      steps?.kept(fd, this.slot);
      onUntaken(fd);
    }
  }
}
