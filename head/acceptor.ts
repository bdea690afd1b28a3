/**
 * A worker's loop: accept, inspect, act, and look after what takes longer. It sleeps in epoll_wait and nowhere else,
 * so the thread has no event loop of Node's; the main thread reaches it through an eventfd.
 *
 *     listener -> accept -> reader: the request head -> mode -> lane (handoff) or answer and linger
 *                              ^ more input                          ^ taken, returned, ended
 */
import { BROKEN, createEpoll, type Epoll, PEER_ENDED, READABLE } from '../shared/sys/epoll.ts';
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE } from '../shared/sys/libc.ts';
import { allocate } from '../shared/sys/memory.ts';
import { sharpenTimers, sleepMicros } from '../shared/sys/sleep.ts';
import * as sockets from '../shared/sys/sockets.ts';
import { clearWake } from '../shared/sys/wake.ts';
import { Board, Row } from './board.ts';
import * as connection from './connections.ts';
import { Connections, makeTag } from './connections.ts';
import { WorkerDesk } from './desk.ts';
import { Fifo } from './fifo.ts';
import { LaneKeeper } from './lane-keeper.ts';
import { Linger } from './linger.ts';
import { Moderation } from './moderation.ts';
import { RequestReader } from './reader.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker-messages.ts';

/** Connections accepted before the others get their turn. */
const ACCEPT_BATCH = 64;
/** Events of one wait. */
const EVENTS = 512;
/** The longest sleep, milliseconds: a bound for what no event announces. */
const LONGEST_SLEEP_MS = 1000;
/** With no fd left, how long until accepting is tried again, milliseconds. */
const ACCEPT_PAUSE_MS = 20;
/** An answer that its client does not read for this long is given up, milliseconds. */
const WRITE_TIMEOUT_MS = 10_000;

export class Acceptor {
  readonly #settings: WorkerSettings;
  readonly #receive: () => ToWorker | undefined;
  readonly #tell: (message: FromWorker) => void;
  readonly #board: Board;
  readonly #row: Row;
  readonly #epoll: Epoll = createEpoll(EVENTS);
  readonly #connections: Connections;
  readonly #desk: WorkerDesk;
  readonly #linger: Linger;
  readonly #reader: RequestReader;
  readonly #lanes: LaneKeeper;
  readonly #writing: Fifo;
  readonly #batch = new Int32Array(ACCEPT_BATCH);
  readonly #accept: (listener: number) => number;
  readonly #moderation = new Moderation();
  /** In this wake-up. */
  #accepted = 0;
  #listening = true;
  #acceptAgainAt = Number.POSITIVE_INFINITY;
  #stopBy = Number.POSITIVE_INFINITY;
  #now = performance.now();

  /** `receive` gives the main thread's next message, if there is one; `tell` answers it. */
  constructor(
    settings: WorkerSettings,
    receive: () => ToWorker | undefined,
    tell: (message: FromWorker) => void,
  ) {
    this.#settings = settings;
    this.#receive = receive;
    this.#tell = tell;
    this.#board = new Board(settings.board);
    this.#row = new Row(settings.board, settings.index);
    this.#connections = new Connections(settings.fdCapacity, this.#epoll, this.#row);
    this.#writing = new Fifo(this.#connections.links);
    this.#linger = new Linger(this.#connections, {
      idleMs: settings.lingerIdleMs,
      totalMs: settings.lingerTotalMs,
      bytes: settings.lingerBytes,
    });
    const scratch = allocate(settings.headBytes);
    this.#desk = new WorkerDesk({
      board: this.#board,
      row: this.#row,
      connections: this.#connections,
      linger: this.#linger,
      writing: this.#writing,
      scratch,
      headBytes: settings.headBytes,
      policy: settings.policy,
    });
    this.#reader = new RequestReader({
      connections: this.#connections,
      desk: this.#desk,
      scratch,
      timeoutMs: settings.headTimeoutMs,
    });
    this.#lanes = new LaneKeeper({
      epoll: this.#epoll,
      desk: this.#desk,
      reader: this.#reader,
      row: this.#row,
      stallTimeoutMs: settings.stallTimeoutMs,
      tell,
    });
    this.#accept =
      this.#desk.policy.needs === 'address' ? sockets.acceptWithAddress : sockets.acceptNonBlocking;
  }

  /** Serves until it is told to stop. */
  run(): void {
    const { listener, wake, backlog } = this.#settings;
    sharpenTimers();
    sockets.listen(listener, backlog);
    this.#epoll.add(listener, READABLE, makeTag(connection.TAG_LISTENER, 0));
    this.#epoll.add(wake, READABLE, makeTag(connection.TAG_WAKE, 0));
    this.#tell({ type: 'listening' });
    while (!this.#isDone()) {
      const sleep = this.#tick();
      const count = this.#epoll.wait(sleep);
      this.#setNow();
      this.#accepted = 0;
      for (let i = 0; i < count; i++) this.#dispatch(i);
      this.#lanes.flush();
      const rest = this.#moderation.rest(this.#accepted, this.#now);
      if (rest > 0) sleepMicros(rest);
    }
    this.#finish();
  }

  #setNow(): void {
    const now = performance.now();
    if (now - this.#now > LONGEST_SLEEP_MS + this.#settings.stallTimeoutMs / 2) {
      this.#lanes.stoodStill(now);
    }
    this.#now = now;
    this.#desk.now = now;
  }

  #dispatch(index: number): void {
    const tag = this.#epoll.tagAt(index);
    const value = connection.tagValue(tag);
    switch (connection.tagKind(tag)) {
      case connection.TAG_CONNECTION: {
        const fd = this.#epoll.fdAt(index);
        if (this.#connections.isCurrent(fd, value)) this.#onEvent(fd, this.#epoll.eventsAt(index));
        return;
      }
      case connection.TAG_LANE:
        return this.#lanes.read(value);
      case connection.TAG_LISTENER:
        return void this.#acceptSome();
      case connection.TAG_WAKE:
        return this.#obey();
    }
  }

  // --- accept ---

  /** How many it accepted. */
  #acceptSome(): number {
    if (!this.#listening) return 0;
    let count = 0;
    while (count < ACCEPT_BATCH) {
      if (this.#row.get('open') >= this.#settings.maxConnections && !this.#makeRoom()) {
        this.#pauseAccepting();
        break;
      }
      const fd = this.#accept(this.#settings.listener);
      if (fd < 0) {
        if (fd === EAGAIN) break;
        // The client gave up while it was queued; accept(2) also passes on errors of the connection itself.
        if (fd === ECONNABORTED || fd === EINTR) continue;
        this.#row.add('accept_failures');
        if ((fd === EMFILE || fd === ENFILE) && this.#makeRoom()) continue;
        this.#pauseAccepting();
        break;
      }
      this.#connections.open(fd, this.#board.mode, this.#now);
      if (this.#desk.policy.needs === 'address') {
        this.#connections.addressHash[fd] = sockets.acceptedAddressHash();
      }
      this.#batch[count++] = fd;
    }
    // Only now, all together: the requests of those accepted first have had time to arrive.
    for (let i = 0; i < count; i++) this.#reader.begin(this.#batch[i]!);
    this.#accepted += count;
    return count;
  }

  /** Ends the connection that can best be spared; false when there is none. */
  #makeRoom(): boolean {
    if (this.#linger.evict()) return true;
    if (!this.#reader.evict()) return false;
    // It has its answer now, and lingers.
    return this.#linger.evict();
  }

  #pauseAccepting(): void {
    if (this.#acceptAgainAt === Number.POSITIVE_INFINITY) this.#epoll.remove(this.#settings.listener);
    this.#acceptAgainAt = this.#now + ACCEPT_PAUSE_MS;
  }

  #resumeAccepting(): void {
    this.#acceptAgainAt = Number.POSITIVE_INFINITY;
    if (this.#listening) {
      this.#epoll.add(this.#settings.listener, READABLE, makeTag(connection.TAG_LISTENER, 0));
    }
  }

  // --- inspect and act ---

  #onEvent(fd: number, events: number): void {
    switch (this.#connections.state(fd)) {
      case connection.READING:
        if ((events & BROKEN) !== 0) return this.#reader.broke(fd);
        return this.#reader.more(fd, (events & PEER_ENDED) !== 0);
      case connection.WRITING:
        return this.#desk.writeRest(fd);
      case connection.LINGERING:
        return this.#linger.look(fd, this.#now);
    }
  }

  // --- what the main thread says ---

  #obey(): void {
    clearWake(this.#settings.wake);
    for (let message = this.#receive(); message; message = this.#receive()) {
      switch (message.type) {
        case 'join':
          this.#lanes.join(message);
          break;
        case 'leave':
          this.#lanes.leave(message.slot, message.broken);
          break;
        case 'settled':
          this.#lanes.settled(message);
          break;
        case 'quiesce':
          this.#lanes.quiesce(message.slot);
          break;
        case 'stop':
          this.#stop(message.withinMs);
          break;
      }
    }
  }

  /** Passes on what is queued, then refuses more. */
  #stop(withinMs: number): void {
    if (!this.#listening) return;
    this.#stopBy = this.#now + withinMs;
    while (this.#acceptSome() > 0);
    this.#listening = false;
    // Closing it takes it out of the epoll set as well.
    sockets.closeFd(this.#settings.listener);
  }

  // --- time ---

  /** Does what is due; how long to sleep, in milliseconds. */
  #tick(): number {
    const now = this.#now;
    // The reader first: those that it fails begin to linger.
    const untilTooSlow = this.#reader.tick(now);
    while (this.#writing.oldestSince + WRITE_TIMEOUT_MS <= now) this.#desk.dropRest(this.#writing.oldest);
    if (this.#acceptAgainAt <= now) this.#resumeAccepting();
    const next = Math.min(
      LONGEST_SLEEP_MS,
      untilTooSlow,
      this.#linger.tick(now),
      this.#stopBy - now,
      this.#writing.oldestSince + WRITE_TIMEOUT_MS - now,
      this.#acceptAgainAt - now,
      this.#lanes.tick(now),
    );
    return Math.max(0, Math.ceil(next));
  }

  #isDone(): boolean {
    if (this.#listening) return false;
    if (this.#now >= this.#stopBy) return true;
    return this.#row.get('open') === 0;
  }

  /** Gives back everything: what is still open has had its time. */
  #finish(): void {
    this.#reader.close();
    while (this.#writing.oldest >= 0) this.#desk.dropRest(this.#writing.oldest);
    while (this.#linger.evict());
    this.#lanes.close();
    sockets.closeFd(this.#epoll.fd);
    this.#tell({ type: 'stopped' });
  }
}
