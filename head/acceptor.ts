/**
 * A worker's loop: accept, inspect, act, and look after what takes longer. It sleeps in epoll_wait and nowhere else,
 * so the thread has no event loop of Node's; the main thread reaches it through an eventfd.
 *
 *     listener -> accept -> advance: read the request head -> mode -> lane (handoff) or answer and linger
 *                              ^ more input                          ^ taken, returned, ended
 */
import { BROKEN, createEpoll, type Epoll, PEER_ENDED, READABLE } from '../shared/sys/epoll.ts';
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE } from '../shared/sys/libc.ts';
import { allocate, type Memory } from '../shared/sys/memory.ts';
import { sharpenTimers, sleepMicros } from '../shared/sys/sleep.ts';
import * as sockets from '../shared/sys/sockets.ts';
import { clearWake } from '../shared/sys/wake.ts';
import type { ErrorAnswer } from './answers.ts';
import { Board, type InspectionFailure, Row } from './board.ts';
import * as connection from './connections.ts';
import { Connections, makeTag } from './connections.ts';
import { WorkerDesk } from './desk.ts';
import { Fifo } from './fifo.ts';
import * as inspection from './inspect.ts';
import { Lane } from './lanes.ts';
import { Linger } from './linger.ts';
import { Moderation } from './moderation.ts';
import { modeHandlers } from './modes/index.ts';
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

const failures: Record<number, readonly [InspectionFailure, ErrorAnswer | undefined]> = {
  [inspection.NOT_HTTP]: ['not_http', 'badRequest'],
  [inspection.TOO_LARGE]: ['head_too_large', 'headTooLarge'],
  // Neither client would understand a plain answer.
  [inspection.TLS]: ['tls', undefined],
  [inspection.HTTP2]: ['http2', undefined],
};

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
  readonly #reading: Fifo;
  readonly #writing: Fifo;
  readonly #scratch: Memory;
  /** What was read of heads that came in pieces, where the mode reads instead of peeking. */
  readonly #pieces = new Map<number, Buffer>();
  readonly #batch = new Int32Array(ACCEPT_BATCH);
  readonly #accept: (listener: number) => number;
  readonly #quiescing = new Set<number>();
  /** Slots that were reported as stalled or broken, and must not be again. */
  readonly #reported = new Set<number>();
  readonly #moderation = new Moderation();
  /** In this wake-up. */
  #accepted = 0;
  #listening = true;
  #noStallBefore = 0;
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
    const { links } = this.#connections;
    this.#reading = new Fifo(links);
    this.#writing = new Fifo(links);
    this.#linger = new Linger(this.#connections, {
      idleMs: settings.lingerIdleMs,
      totalMs: settings.lingerTotalMs,
      bytes: settings.lingerBytes,
    });
    this.#scratch = allocate(settings.headBytes);
    this.#desk = new WorkerDesk({
      board: this.#board,
      row: this.#row,
      connections: this.#connections,
      linger: this.#linger,
      writing: this.#writing,
      scratch: this.#scratch,
      headBytes: settings.headBytes,
      policy: settings.policy,
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
      this.#flushLanes();
      const rest = this.#moderation.rest(this.#accepted, this.#now);
      if (rest > 0) sleepMicros(rest);
    }
    this.#finish();
  }

  #setNow(): void {
    const now = performance.now();
    // It was this thread that stood still: deliveries get time to be heard.
    if (now - this.#now > LONGEST_SLEEP_MS + this.#settings.stallTimeoutMs / 2) {
      this.#noStallBefore = now + this.#settings.stallTimeoutMs;
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
        return this.#readLane(value);
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
    for (let i = 0; i < count; i++) this.#advance(this.#batch[i]!, false, true);
    this.#accepted += count;
    return count;
  }

  /** Ends the connection that can best be spared; false when there is none. */
  #makeRoom(): boolean {
    if (this.#linger.evict()) return true;
    const fd = this.#reading.oldest;
    if (fd < 0) return false;
    this.#stopReading(fd);
    this.#desk.fail(fd, 'crowded', 'timeout');
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
        if ((events & BROKEN) === 0) return this.#advance(fd, (events & PEER_ENDED) !== 0, false);
        this.#stopReading(fd);
        return this.#desk.abandon(fd, 'client_gone');
      case connection.WRITING:
        return this.#desk.writeRest(fd);
      case connection.LINGERING:
        return this.#linger.look(fd, this.#now);
    }
  }

  /** Reads what there is of a request head and, when that decides it, acts. `isNew`: it is not in a queue yet. */
  #advance(fd: number, ended: boolean, isNew: boolean): void {
    const handler = modeHandlers[this.#connections.mode[fd]!]!;
    const { headBytes } = this.#settings;
    let have = 0;
    let n: number;
    if (handler.consumes) {
      const piece = this.#pieces.get(fd);
      if (piece) have = piece.copy(this.#scratch.bytes);
      n = sockets.receive(fd, this.#scratch, have, headBytes - have);
    } else {
      n = sockets.peek(fd, this.#scratch, 0, headBytes);
    }
    if (n === EAGAIN || n === EINTR) {
      if (isNew) this.#wait(fd);
      return;
    }
    const length = have + Math.max(n, 0);
    if (n < 0 || length === 0) {
      if (!isNew) this.#stopReading(fd);
      return this.#desk.abandon(fd, 'client_gone');
    }
    const verdict = inspection.inspect(this.#scratch.bytes, length, headBytes);
    if (verdict === inspection.INCOMPLETE && !ended && n > 0) {
      if (handler.consumes) this.#pieces.set(fd, Buffer.from(this.#scratch.bytes.subarray(0, length)));
      if (isNew) this.#wait(fd);
      return;
    }
    if (!isNew) this.#stopReading(fd);
    if (verdict === inspection.COMPLETE) return handler.act(this.#desk, fd);
    const [failure, answer] = failures[verdict] ?? ['incomplete', 'badRequest'];
    this.#desk.fail(fd, failure, answer);
  }

  #wait(fd: number): void {
    this.#reading.join(fd, this.#now);
    this.#connections.watchInput(fd);
  }

  #stopReading(fd: number): void {
    this.#reading.leave(fd);
    this.#pieces.delete(fd);
  }

  // --- lanes ---

  #readLane(slot: number): void {
    const lane = this.#desk.lanes[slot];
    if (!lane || this.#reported.has(slot)) return;
    try {
      lane.read();
    } catch (error) {
      this.#epoll.remove(lane.fd);
      this.#report({ type: 'broken', slot, problem: (error as Error).message });
    }
  }

  #report(message: FromWorker & { slot: number }): void {
    this.#reported.add(message.slot);
    this.#tell(message);
  }

  #flushLanes(): void {
    for (const lane of this.#desk.open) if (lane.isBlocked) lane.flush();
  }

  /** Routes a connection anew that no application has seen. */
  #handAgain(slot: number, fd: number): void {
    this.#desk.takeBack(slot);
    const n = sockets.peek(fd, this.#scratch, 0, this.#settings.headBytes);
    if (
      n <= 0 ||
      inspection.inspect(this.#scratch.bytes, n, this.#settings.headBytes) !== inspection.COMPLETE
    ) {
      return this.#desk.abandon(fd, 'client_gone');
    }
    if (this.#desk.handElsewhere(fd, slot)) return;
    if (!this.#desk.redirect(fd, 'handoff_redirected')) this.#desk.refuse(fd, 'handoff_unavailable');
  }

  // --- what the main thread says ---

  #obey(): void {
    clearWake(this.#settings.wake);
    for (let message = this.#receive(); message; message = this.#receive()) {
      switch (message.type) {
        case 'join':
          this.#join(message);
          break;
        case 'leave':
          this.#leave(message.slot, message.broken);
          break;
        case 'quiesce':
          this.#quiescing.add(message.slot);
          break;
        case 'stop':
          this.#stop(message.withinMs);
          break;
      }
    }
  }

  #join({ slot, name, direct, headEnd, deliveryEnd }: ToWorker & { type: 'join' }): void {
    const lane = new Lane(slot, headEnd, deliveryEnd, {
      onTaken: (at, fd) => this.#desk.taken(at, fd),
      onReturned: (at, fd) => this.#handAgain(at, fd),
      onEnded: (at, count) => this.#desk.ended(at, count),
      onLate: () => this.#row.add('late_messages'),
    });
    this.#epoll.add(lane.fd, READABLE, makeTag(connection.TAG_LANE, slot));
    this.#reported.delete(slot);
    this.#desk.join(slot, name, direct, lane);
    this.#tell({ type: 'joined', slot });
  }

  #leave(slot: number, broken: boolean): void {
    const lane = this.#desk.leave(slot);
    let moved = 0;
    this.#quiescing.delete(slot);
    lane?.close(broken, (fd) => {
      moved++;
      this.#handAgain(slot, fd);
    });
    this.#tell({ type: 'left', slot, moved });
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
    let next = Math.min(LONGEST_SLEEP_MS, this.#linger.tick(now), this.#stopBy - now);
    while (this.#reading.oldestSince + this.#settings.headTimeoutMs <= now) {
      const fd = this.#reading.oldest;
      this.#stopReading(fd);
      this.#desk.fail(fd, 'too_slow', 'timeout');
      next = 0;
    }
    while (this.#writing.oldestSince + WRITE_TIMEOUT_MS <= now) this.#desk.dropRest(this.#writing.oldest);
    if (this.#acceptAgainAt <= now) this.#resumeAccepting();
    next = Math.min(
      next,
      this.#reading.oldestSince + this.#settings.headTimeoutMs - now,
      this.#writing.oldestSince + WRITE_TIMEOUT_MS - now,
      this.#acceptAgainAt - now,
      this.#tickLanes(),
    );
    return Math.max(0, Math.ceil(next));
  }

  #tickLanes(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#desk.open) {
      if (lane.isBlocked) next = 1;
      if (lane.untaken > 0 && !this.#reported.has(lane.slot)) {
        const left = Math.max(
          this.#settings.stallTimeoutMs - this.#desk.waited(lane),
          this.#noStallBefore - this.#now,
        );
        if (left <= 0) this.#report({ type: 'stalled', slot: lane.slot });
        else next = Math.min(next, left);
      }
      if (lane.untaken === 0 && this.#quiescing.delete(lane.slot))
        this.#tell({ type: 'quiet', slot: lane.slot });
    }
    return next;
  }

  #isDone(): boolean {
    if (this.#listening) return false;
    if (this.#now >= this.#stopBy) return true;
    return this.#row.get('open') === 0;
  }

  /** Gives back everything: what is still open has had its time. */
  #finish(): void {
    for (const queue of [this.#reading, this.#writing]) {
      while (queue.oldest >= 0) {
        const fd = queue.oldest;
        queue.leave(fd);
        this.#desk.abandon(fd, 'stopped');
      }
    }
    while (this.#linger.evict());
    for (const lane of this.#desk.open) lane.close(false, (fd) => this.#desk.abandon(fd, 'stopped'));
    sockets.closeFd(this.#epoll.fd);
    this.#tell({ type: 'stopped' });
  }
}
