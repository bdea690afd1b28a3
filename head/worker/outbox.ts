/**
 * Answers on their way into their sockets: those of one wake-up are written together, each after what was looked at has been
 * thrown away, and followed by the lingering close. One that does not fit into its socket's buffer waits for room.
 */
import type { Calls, Ticket } from '../../shared/sys/calls.ts';
import { EAGAIN, EINTR } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import { writeLast } from '../../shared/sys/sockets.ts';
import type { Clock } from './clock.ts';
import { type Connections, WRITING } from './connections.ts';
import { Fifo } from './fifo.ts';
import type { Linger } from './linger.ts';

/** Answers written together, and the bytes that each may have; a longer one is written at once. */
const ANSWERS = 64;
const ANSWER_BYTES = 1024;
/** An answer that its client does not read for this long is given up, milliseconds. */
const WRITE_TIMEOUT_MS = 10_000;

export interface OutboxParts {
  readonly connections: Connections;
  readonly linger: Linger;
  readonly calls: Calls;
  readonly clock: Clock;
  /** Where an answer stands that is to be sent. */
  readonly composed: Memory;
}

export class Outbox {
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #linger: Linger;
  readonly #calls: Calls;
  readonly #composed: Memory;
  readonly #writing: Fifo;
  /** The part of an answer that did not fit into its socket. */
  readonly #rest = new Map<number, Buffer>();
  readonly #queue = allocate(ANSWERS * ANSWER_BYTES);
  readonly #fds = new Int32Array(ANSWERS);
  readonly #lengths = new Int32Array(ANSWERS);
  readonly #tickets: Ticket[] = new Array(ANSWERS).fill(0);
  #count = 0;

  constructor({ connections, linger, calls, clock, composed }: OutboxParts) {
    this.#connections = connections;
    this.#linger = linger;
    this.#calls = calls;
    this.#clock = clock;
    this.#composed = composed;
    this.#writing = new Fifo(connections.links);
  }

  /** Writes the answer that was just composed, at the latest with `flush`, then lingers. The connection is in no queue. */
  send(fd: number, length: number): void {
    const unread = this.#connections.unread[fd]!;
    if (unread > 0) this.#calls.discard(fd, unread);
    if (length > ANSWER_BYTES) return this.#written(fd, this.#composed, 0, length, this.#write(fd, length));
    if (this.#count === ANSWERS) this.flush();
    const at = this.#count++;
    const offset = at * ANSWER_BYTES;
    this.#composed.bytes.copy(this.#queue.bytes, offset, 0, length);
    this.#fds[at] = fd;
    this.#lengths[at] = length;
    this.#tickets[at] = this.#calls.writeLast(fd, this.#queue, offset, length);
  }

  flush(): void {
    if (this.#count === 0) return;
    this.#calls.run();
    for (let at = 0; at < this.#count; at++) {
      const sent = this.#calls.result(this.#tickets[at]!);
      this.#written(this.#fds[at]!, this.#queue, at * ANSWER_BYTES, this.#lengths[at]!, sent);
    }
    this.#count = 0;
  }

  #write(fd: number, length: number): number {
    return writeLast(fd, this.#composed, 0, length);
  }

  /** Writing `length` bytes at `offset` of `memory` answered `sent`. */
  #written(fd: number, memory: Memory, offset: number, length: number, sent: number): void {
    if (sent === length) this.#linger.begin(fd, this.#clock.now);
    else if (sent < 0 && sent !== EAGAIN && sent !== EINTR) this.#connections.close(fd);
    else this.#keepRest(fd, memory.bytes.subarray(offset + Math.max(sent, 0), offset + length));
  }

  #keepRest(fd: number, rest: Buffer): void {
    this.#rest.set(fd, Buffer.from(rest));
    this.#connections.setState(fd, WRITING);
    this.#connections.watchRoom(fd);
    this.#writing.join(fd, this.#clock.now);
  }

  /** There is room for more of an answer. */
  writeRest(fd: number): void {
    const rest = this.#rest.get(fd)!;
    this.#rest.delete(fd);
    this.#writing.leave(fd);
    this.#composed.bytes.set(rest, 0);
    this.#written(fd, this.#composed, 0, rest.length, this.#write(fd, rest.length));
  }

  /** Gives up on an answer that its client does not read. */
  #dropOldest(): void {
    const fd = this.#writing.oldest;
    this.#rest.delete(fd);
    this.#writing.leave(fd);
    this.#connections.close(fd);
  }

  /** Gives up on those that have timed out; the milliseconds until the next has. */
  tick(now: number): number {
    while (this.#writing.oldestSince + WRITE_TIMEOUT_MS <= now) this.#dropOldest();
    return this.#writing.oldestSince + WRITE_TIMEOUT_MS - now;
  }

  /** Those that wait for room. */
  get all(): readonly number[] {
    return this.#writing.all();
  }

  restOf(fd: number): Buffer {
    return this.#rest.get(fd)!;
  }

  /** One whose answer another head has begun, and what is left of it. */
  resume(fd: number, rest: Buffer): void {
    this.#keepRest(fd, rest);
  }

  /** Closes all that wait for room. */
  close(): void {
    while (this.#writing.oldest >= 0) this.#dropOldest();
  }
}
