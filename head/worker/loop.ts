/**
 * A worker's loop: accept, inspect, act, and look after what takes longer. It sleeps in epoll_wait, and rests for moments
 * when connections come fast, so the thread has no event loop of Node's; the main thread reaches it through an eventfd.
 *
 *     listener -> intake -> reader: the request head -> mode -> lane (handoff) or answer and linger
 *                              ^ more input                          ^ taken, returned, ended
 */

import type { Calls } from '../../shared/sys/calls.ts';
import { BROKEN, type Epoll, PEER_ENDED, READABLE } from '../../shared/sys/epoll.ts';
import { sharpenTimers, sleepMicros } from '../../shared/sys/sleep.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { clearWake } from '../../shared/sys/wake.ts';
import type { Scoreboard, WorkerCounters } from '../scoreboard.ts';
import type { FromWorker, ToWorker, Tuning, WorkerSettings } from '../worker-messages.ts';
import type { Clock } from './clock.ts';
import { Coalescing } from './coalescing.ts';
import * as connection from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import type { Lanes, Remote } from './lanes.ts';
import type { Linger } from './linger.ts';
import { ACCEPT_BATCH, type Listener } from './listener.ts';
import type { Orders } from './orders.ts';
import { createParts, isListening, type MainThread, type WorkerParts } from './parts.ts';
import type { Passing } from './passing.ts';
import type { Postponed } from './postponed.ts';
import type { RequestReader } from './reader.ts';
import type { Router } from './router.ts';
import { steps } from './steps.ts';
import type { TerminatedReader } from './terminated.ts';

/** The longest sleep, milliseconds: a bound for what no event announces. */
const LONGEST_SLEEP_MS = 1000;
/** While connections come fast, the longest time that closing one is put off, milliseconds. */
const BUSY_SLEEP_MS = 1;

/** Between two wake-ups while it is frozen. */
const FROZEN_REST_MICROS = 200;

export class WorkerLoop {
  readonly #wake: number;
  readonly #receive: () => ToWorker | undefined;
  readonly #tell: (message: FromWorker) => void;
  readonly #tuning: WorkerParts['tuning'];
  readonly #clock: Clock;
  readonly #scoreboard: Scoreboard;
  readonly #counters: WorkerCounters;
  readonly #epoll: Epoll;
  readonly #calls: Calls;
  readonly #connections: connection.Connections;
  readonly #router: Router;
  readonly #desk: WorkerDesk;
  readonly #linger: Linger;
  readonly #postponed: Postponed;
  readonly #reader: RequestReader;
  readonly #lanes: Lanes;
  readonly #listeners: readonly Listener[];
  readonly #terminated: TerminatedReader;
  readonly #orders: Orders;
  readonly #passing: Passing;
  readonly #coalescing = new Coalescing(ACCEPT_BATCH);
  /** In this wake-up. */
  #accepted = 0;
  #stopBy = Number.POSITIVE_INFINITY;

  constructor(settings: WorkerSettings, { receive, tell }: MainThread, remote: Remote | undefined) {
    this.#wake = settings.wake;
    this.#receive = receive;
    this.#tell = tell;
    const hub = {
      open: (fd: number, addressHash: number) => this.#open(fd, addressHash),
      makeRoom: () => this.#makeRoom(),
      onEvent: (fd: number, events: number) => this.#onEvent(fd, events),
      accept: () => this.#accept(),
      tune: (next: Tuning) => this.#tune(next),
      stop: (withinMs: number) => this.#stop(withinMs),
      isStopping: () => this.#stopBy < Number.POSITIVE_INFINITY,
    };
    const parts = createParts(settings, hub, tell, remote);
    this.#tuning = parts.tuning;
    this.#clock = parts.clock;
    this.#scoreboard = parts.scoreboard;
    this.#counters = parts.counters;
    this.#epoll = parts.epoll;
    this.#calls = parts.calls;
    this.#connections = parts.connections;
    this.#router = parts.router;
    this.#desk = parts.desk;
    this.#linger = parts.linger;
    this.#postponed = parts.postponed;
    this.#reader = parts.reader;
    this.#lanes = parts.lanes;
    this.#listeners = parts.listeners;
    this.#terminated = parts.terminated;
    this.#orders = parts.orders;
    this.#passing = parts.passing;
  }

  /** Serves until it is told to stop. */
  run(): void {
    sharpenTimers();
    this.#epoll.add(this.#wake, READABLE, connection.makeTag(connection.TAG_WAKE, 0));
    this.#tell({ type: 'ready', ioUring: this.#calls.together });
    for (;;) {
      const sleep = this.#tick();
      // Asked after the tick, which closes the listener: when that was the last there is nothing to wait for.
      if (this.#isDone()) break;
      const count = this.#wait(sleep);
      this.#setNow();
      this.#accepted = 0;
      for (let i = 0; i < count; i++) this.#dispatch(i);
      this.#settle();
      this.#passing.settled();
      // Asked before more is sent: what counts is who has had time, and has not taken what came before.
      const { allBusy } = this.#lanes;
      this.#lanes.flush(this.#coalescing.isBusy, this.#clock.now);
      const rest = this.#coalescing.rest(this.#accepted, this.#clock.now, allBusy);
      this.#lanes.count();
      // Frozen, what epoll reports for as long as it is so would be reported without end.
      if (this.#passing.isFrozen && count > 0) sleepMicros(FROZEN_REST_MICROS);
      else if (rest > 0) sleepMicros(rest);
    }
    this.#finish();
  }

  /** Sleeps until something happens, at most `sleep` milliseconds; how many events there are. */
  #wait(sleep: number): number {
    // Where more is about to come, with calls of its own, what is queued goes with them: nobody waits for it. Not so after
    // a wake-up for what deliveries took: the head's copies go at once, so that the last of each, whose closing is dear,
    // is the delivery's (measured at a full accept queue: 4.7 us a connection with all of them kept, 3.8 so).
    const waitsForMore = this.#coalescing.isBusy && this.#accepted > 0;
    if (!waitsForMore) this.#calls.run();
    return this.#epoll.wait(waitsForMore ? Math.min(sleep, BUSY_SLEEP_MS) : sleep);
  }

  #setNow(): void {
    const now = performance.now();
    if (now - this.#clock.now > LONGEST_SLEEP_MS + this.#tuning.stallTimeoutMs / 2) {
      this.#lanes.stoodStill(now);
    }
    this.#clock.now = now;
    this.#counters.beat();
  }

  /** Does what this wake-up has begun: reads heads, acts on them, answers. */
  #settle(): void {
    this.#reader.flush();
    this.#desk.outbox.flush();
    this.#linger.flush(this.#clock.now);
  }

  #dispatch(index: number): void {
    const tag = this.#epoll.tagAt(index);
    const value = connection.tagValue(tag);
    switch (connection.tagKind(tag)) {
      case connection.TAG_CONNECTION: {
        const fd = this.#epoll.fdAt(index);
        if (!this.#connections.isCurrent(fd, value)) return;
        if (this.#passing.isFrozen) this.#passing.miss(fd, value, this.#epoll.eventsAt(index));
        else this.#onEvent(fd, this.#epoll.eventsAt(index));
        return;
      }
      case connection.TAG_LANE:
        return this.#lanes.read(value);
      case connection.TAG_LISTENER:
        this.#accepted += this.#listeners[value]!.accept(this.#clock.now);
        return;
      case connection.TAG_WAKE:
        return this.#obey();
    }
  }

  #open(fd: number, addressHash: number): void {
    this.#connections.open(fd, this.#scoreboard.mode, this.#clock.now, addressHash);
    this.#reader.begin(fd);
  }

  /** Ends the connection that can best be spared; false when there is none. */
  #makeRoom(): boolean {
    // What is under way comes first: a connection can not be ended in the middle of it.
    this.#settle();
    if (this.#linger.evict()) return true;
    if (!this.#postponed.evict() && !this.#reader.evict()) return this.#terminated.evict();
    // It has its answer now, and lingers.
    this.#desk.outbox.flush();
    return this.#linger.evict();
  }

  #onEvent(fd: number, events: number): void {
    switch (this.#connections.state(fd)) {
      case connection.READING:
        if ((events & BROKEN) !== 0) return this.#reader.broke(fd);
        return this.#reader.more(fd, (events & PEER_ENDED) !== 0);
      case connection.WRITING:
        return this.#desk.outbox.writeRest(fd);
      case connection.LINGERING:
        return this.#linger.look(fd, this.#clock.now);
      case connection.POSTPONED:
        this.#postponed.leave(fd);
        return this.#desk.abandon(fd, 'client_gone');
    }
  }

  #obey(): void {
    clearWake(this.#wake);
    for (let message = this.#receive(); message; message = this.#receive()) this.#orders.obey(message);
  }

  /** There are deliveries. */
  #accept(): void {
    this.#passing.accept();
    for (const listener of this.#listeners) listener.listen();
  }

  #tune(next: Tuning): void {
    // What is under way is done as it began.
    this.#settle();
    Object.assign(this.#tuning, next);
    this.#router.setPolicy(next.policy);
    for (const listener of this.#listeners) listener.tune();
    this.#reader.tune();
    this.#tell({ type: 'tuned' });
  }

  /** Passes on what is queued, then refuses more. */
  #stop(withinMs: number): void {
    if (this.#stopBy < Number.POSITIVE_INFINITY) return;
    this.#stopBy = this.#clock.now + withinMs;
    for (const listener of this.#listeners) listener.stop(this.#clock.now, this.#stopBy);
    // What the head before has passed on has come as far as whoever was accepted.
    this.#passing.accept();
    this.#reader.stop();
    this.#postponed.stop(this.#clock.now);
  }

  /** Does what is due; how long to sleep, in milliseconds. */
  #tick(): number {
    const now = this.#clock.now;
    if (this.#passing.isFrozen) return this.#tickFrozen(now);
    // The reader first: those that it fails begin to linger.
    const untilTooSlow = this.#reader.tick(now);
    const untilDue = this.#postponed.tick(now);
    this.#desk.outbox.flush();
    const untilUnread = this.#desk.outbox.tick(now);
    const next = Math.min(
      LONGEST_SLEEP_MS,
      untilTooSlow,
      untilDue,
      this.#linger.tick(now),
      this.#stopBy - now,
      untilUnread,
      this.#tickListeners(now),
      this.#lanes.tick(now),
    );
    return Math.max(0, Math.ceil(next));
  }

  /** The lanes go on. */
  #tickFrozen(now: number): number {
    this.#desk.outbox.flush();
    const next = Math.min(LONGEST_SLEEP_MS, this.#stopBy - now, this.#lanes.tick(now));
    return Math.max(0, Math.ceil(next));
  }

  #tickListeners(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const listener of this.#listeners) next = Math.min(next, listener.tick(now));
    return next;
  }

  #isDone(): boolean {
    return (
      !isListening(this.#listeners) &&
      (this.#clock.now >= this.#stopBy || (this.#counters.get('open') === 0 && this.#lanes.areConfirmed))
    );
  }

  #closeAll(): void {
    while (this.#postponed.evict());
    this.#reader.close();
    this.#desk.outbox.close();
    while (this.#linger.evict());
  }

  /** Gives back everything: what is still open has timed out. */
  #finish(): void {
    this.#terminated.close();
    if (!this.#passing.isReleased) this.#closeAll();
    this.#lanes.close();
    steps?.counts(this.#counters);
    this.#calls.end();
    closeFd(this.#epoll.fd);
    this.#tell({ type: 'stopped' });
  }
}
