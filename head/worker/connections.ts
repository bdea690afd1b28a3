/**
 * The connections that one worker holds, as rows of typed arrays indexed by fd: an fd is a small number that the
 * kernel reuses, so a row costs nothing to take and nothing to give back. This table owns the fds: a connection is
 * opened and closed here, and closed exactly once.
 */
import type { Calls } from '../../shared/sys/calls.ts';
import type { Epoll } from '../../shared/sys/epoll.ts';
import { EDGE, PEER_ENDED, READABLE, WRITABLE } from '../../shared/sys/epoll.ts';
import type { WorkerCounters } from '../scoreboard.ts';
import { createLinks, type Links } from './fifo.ts';
import { steps } from './steps.ts';

/** Not a connection of ours. */
const FREE = 0;
/** Its request is not complete. */
export const READING = 1;
/** Given to a delivery, which has not said that it took it. */
export const UNTAKEN = 2;
/** Its answer did not fit into the socket's buffer. */
export const WRITING = 3;
/** Answered and half-closed; what it still sends is thrown away. */
export const LINGERING = 4;
/** Waits for a delivery that could take nothing (see postponed.ts). */
export const POSTPONED = 5;
/** The TLS thread speaks with its client (see terminated.ts). */
export const TERMINATED = 6;

/** In the place of `attempts`, and above: of a connection that was given back. */
export const GIVEN_BACK = 128;

/** What an epoll tag names; the rest of a tag is a lane's slot or a connection's generation. */
export const TAG_CONNECTION = 0;
export const TAG_LANE = 1;
export const TAG_LISTENER = 2;
export const TAG_WAKE = 3;
export const tagKind = (tag: number): number => tag & 3;
export const tagValue = (tag: number): number => tag >>> 2;
export const makeTag = (kind: number, value: number): number => (value << 2) | kind;

export class Connections {
  readonly links: Links;
  /** The mode that was in force when the connection was accepted; it keeps it. */
  readonly mode: Uint8Array;
  readonly acceptedAt: Float64Array;
  readonly addressHash: Uint32Array;
  /** Deliveries that it was given to in vain. */
  readonly attempts: Uint8Array;
  /** Bytes of its input that were looked at, and are still there. */
  readonly unread: Uint32Array;
  /** 1: it has no input that was not looked at and its client has promised to send none: closing it can not reset it. */
  readonly mayClose: Uint8Array;
  /** Bytes thrown away since it was answered. */
  readonly discarded: Float64Array;
  readonly #state: Uint8Array;
  readonly #watched: Uint8Array;
  readonly #generation: Uint16Array;
  readonly #epoll: Epoll;
  readonly #calls: Calls;
  readonly #row: WorkerCounters;

  /** `capacity`: one more than the highest fd that the process can have. */
  constructor(capacity: number, epoll: Epoll, calls: Calls, row: WorkerCounters) {
    this.links = createLinks(capacity);
    this.mode = new Uint8Array(capacity);
    this.acceptedAt = new Float64Array(capacity);
    this.addressHash = new Uint32Array(capacity);
    this.attempts = new Uint8Array(capacity);
    this.unread = new Uint32Array(capacity);
    this.mayClose = new Uint8Array(capacity);
    this.discarded = new Float64Array(capacity);
    this.#state = new Uint8Array(capacity);
    this.#watched = new Uint8Array(capacity);
    this.#generation = new Uint16Array(capacity);
    this.#epoll = epoll;
    this.#calls = calls;
    this.#row = row;
  }

  open(fd: number, mode: number, now: number, addressHash: number): void {
    steps?.accept(fd, mode);
    this.#row.add('accepted');
    this.#begin(fd, mode, now, addressHash);
  }

  #begin(fd: number, mode: number, now: number, addressHash: number): void {
    this.mode[fd] = mode;
    this.acceptedAt[fd] = now;
    this.addressHash[fd] = addressHash;
    this.attempts[fd] = 0;
    this.unread[fd] = 0;
    this.mayClose[fd] = 0;
    this.discarded[fd] = 0;
    this.#state[fd] = READING;
    this.#row.add('open');
  }

  /** One that another head has accepted. `hasOutcome`: and counted, so that it is held here and no more. */
  adopt(fd: number, mode: number, acceptedAt: number, addressHash: number, hasOutcome: boolean): void {
    steps?.succeed(fd, hasOutcome);
    if (!hasOutcome) this.#row.add('accepted');
    this.#begin(fd, mode, acceptedAt, addressHash);
  }

  /** One that a delivery had, and has given back: its outcome is counted, and it comes to another. */
  regain(fd: number, mode: number, now: number, addressHash: number, slot: number): void {
    steps?.regain(fd, slot);
    this.#row.add('given_back');
    this.#begin(fd, mode, now, addressHash);
    this.attempts[fd] = GIVEN_BACK;
  }

  state(fd: number): number {
    return this.#state[fd]!;
  }

  setState(fd: number, state: number): void {
    this.#state[fd] = state;
  }

  /** False for an event of a connection that has gone, whose fd may by now be another's. */
  isCurrent(fd: number, generation: number): boolean {
    return this.#generation[fd] === generation;
  }

  /** Report new input and the client's end, once for each change. What is there already is reported as well. */
  watchInput(fd: number): void {
    this.#watch(fd, READABLE | PEER_ENDED | EDGE);
  }

  /** Report input for as long as there is any. */
  watchLeftovers(fd: number): void {
    this.#watch(fd, READABLE);
  }

  /** Report nothing but that it broke, until it is watched again. */
  rest(fd: number): void {
    this.#watch(fd, 0);
  }

  watchRoom(fd: number): void {
    this.#watch(fd, WRITABLE);
  }

  isWatched(fd: number): boolean {
    return this.#watched[fd] === 1;
  }

  #watch(fd: number, events: number): void {
    const tag = makeTag(TAG_CONNECTION, this.#generation[fd]!);
    if (this.#watched[fd]) this.#epoll.modify(fd, events, tag);
    else this.#epoll.add(fd, events, tag);
    this.#watched[fd] = 1;
  }

  /**
   * To be called before another process gets the fd: epoll watches the open file, not the fd, so it would go on
   * reporting a connection that is no longer ours (epoll(7), "Questions and answers", 6).
   */
  unwatch(fd: number): void {
    if (!this.#watched[fd]) return;
    this.#epoll.remove(fd);
    this.#watched[fd] = 0;
  }

  /** The fd is given back with the next batch of calls: the kernel can not name another connection by it before. */
  close(fd: number): void {
    // A delivery that returned it may have kept a copy, which keeps the open file, and with it the watch.
    if (this.attempts[fd]! > 0) this.unwatch(fd);
    this.forget(fd);
    this.#calls.close(fd);
  }

  /** Its fd is closed already, and was watched by nobody. */
  forget(fd: number): void {
    this.#state[fd] = FREE;
    steps?.close(fd);
    this.#watched[fd] = 0;
    this.#generation[fd]!++;
    this.#row.add('open', -1);
  }
}
