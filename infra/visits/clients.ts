/**
 * The connections of visitors: plain sockets, because what is timed here must not be the work of this process. The SYN
 * leaves within the call that begins a connection; when it was answered, and when bytes arrived, is what the kernel says,
 * not when this process woke up. (With Node's own sockets both were 0.2 to 0.4 ms later, at 100 visits a second.)
 */

import { connectTo, type Endpoint, localEndpoint, tcpSocketFor } from '../../shared/sys/endpoints.ts';
import { createEpoll, READABLE, WRITABLE } from '../../shared/sys/epoll.ts';
import { EAGAIN, EINPROGRESS } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import { type Readiness, watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd, setNoDelay, write } from '../../shared/sys/sockets.ts';
import {
  connectResult,
  handshakeMicros,
  realtimeMicros,
  receiveStamped,
  stamp,
  stampArrivals,
} from '../../shared/sys/stamped.ts';

/** Microseconds on the monotonic clock; only differences mean anything. */
export const now = (): number => performance.now() * 1000;

/** Read at once; the answers of all visits go through the same memory. */
const READ_AT_ONCE = 64 * 1024;
/** The longest request. */
export const REQUEST_MAX = 64 * 1024;
const EVENTS = 256;

/** Times are microseconds of `now()`; after `onEnd`, `onFailure` and `close` nothing is called any more. */
export interface ClientHandlers {
  onConnect(at: number): void;
  /** `length` bytes are at the start of `bytes`, until it returns. */
  onBytes(bytes: Buffer, length: number, at: number): void;
  /** The server has ended its side. */
  onEnd(): void;
  /** `result` is -errno. */
  onFailure(result: number): void;
}

export interface Client {
  /** When its SYN left. */
  readonly begun: number;
  /** Throws nothing: what fails is told to `onFailure`, later. */
  send(request: Uint8Array): void;
  /** From now on nothing waits for the peer to confirm what was sent before. */
  noDelay(): void;
  /** This side's port. */
  port(): number;
  close(): void;
}

/** All connections of one run. */
export class Clients {
  readonly #epoll = createEpoll(EVENTS);
  readonly #readiness: Readiness;
  readonly #incoming = allocate(READ_AT_ONCE);
  readonly #outgoing = allocate(REQUEST_MAX);
  readonly #open = new Map<number, Connection>();
  /** While it is open the kernel stamps packets, which it would begin and stop to do with every connection. */
  readonly #stamping: number;
  #tags = 0;
  #closed = false;
  /** What to take from a stamp to have a moment of now(). */
  #realtimeLead = 0;

  constructor() {
    this.#readiness = watchReadable(this.#epoll.fd, () => this.#serve());
    this.#stamping = tcpSocketFor({ address: new Uint8Array(4), port: 0 });
    stampArrivals(this.#stamping);
    this.syncClocks();
  }

  /** Clocks drift, and an administrator may set one: to be called now and then. */
  syncClocks(): void {
    let best = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 3; tries++) {
      const before = now();
      const realtime = realtimeMicros();
      const after = now();
      if (after - before >= best) continue;
      best = after - before;
      this.#realtimeLead = realtime - (before + after) / 2;
    }
  }

  /** Begins to connect. -errno when the kernel refuses at once; then no handler is called. */
  connect(to: Endpoint, handlers: ClientHandlers): Client | number {
    const fd = tcpSocketFor(to);
    if (fd < 0) return fd;
    stampArrivals(fd);
    const tag = ++this.#tags | 0;
    const connection = new Connection(this, fd, tag, handlers);
    connection.begun = now();
    const result = connectTo(fd, to);
    if (result < 0 && result !== EINPROGRESS) {
      closeFd(fd);
      return result;
    }
    this.#open.set(tag, connection);
    this.#epoll.add(fd, WRITABLE, tag);
    return connection;
  }

  /** A connection has closed its fd. */
  forget(tag: number): void {
    this.#open.delete(tag);
  }

  /** The bytes written, or -errno. */
  write(fd: number, request: Uint8Array): number {
    this.#outgoing.bytes.set(request);
    return write(fd, this.#outgoing, 0, request.length);
  }

  readWhenReady(fd: number, tag: number): void {
    this.#epoll.modify(fd, READABLE, tag);
  }

  #serve(): void {
    for (;;) {
      const count = this.#epoll.wait(0);
      // What was closed while this batch is served is not in the map any more; its fd may be another's by now.
      for (let i = 0; i < count; i++)
        this.#open.get(this.#epoll.tagAt(i))?.onReady(this.#incoming, this.#realtimeLead);
      if (count < EVENTS || this.#closed) return;
    }
  }

  /** Every connection must be closed before. */
  close(): void {
    this.#closed = true;
    this.#readiness.close();
    closeFd(this.#epoll.fd);
    closeFd(this.#stamping);
    this.#incoming.free();
    this.#outgoing.free();
  }
}

class Connection implements Client {
  begun = 0;
  readonly #clients: Clients;
  readonly #fd: number;
  readonly #tag: number;
  readonly #handlers: ClientHandlers;
  #state: 'connecting' | 'open' | 'closed' = 'connecting';

  constructor(clients: Clients, fd: number, tag: number, handlers: ClientHandlers) {
    this.#clients = clients;
    this.#fd = fd;
    this.#tag = tag;
    this.#handlers = handlers;
  }

  /** `lead`: what the stamps' clock is ahead of now(). */
  onReady(memory: Memory, lead: number): void {
    if (this.#state === 'connecting') return this.#onConnected();
    const length = receiveStamped(this.#fd, memory, READ_AT_ONCE);
    if (length > 0) {
      const read = now();
      // Never in the future, nor before the connection: a clock may have been set meanwhile.
      const at = stamp.micros === 0 ? read : Math.max(this.begun, Math.min(stamp.micros - lead, read));
      this.#handlers.onBytes(memory.bytes, length, at);
    } else if (length === 0) {
      this.#handlers.onEnd();
    } else if (length !== EAGAIN) {
      this.#fail(length);
    }
  }

  #onConnected(): void {
    const result = connectResult(this.#fd);
    if (result < 0) return this.#fail(result);
    this.#state = 'open';
    this.#clients.readWhenReady(this.#fd, this.#tag);
    const took = handshakeMicros(this.#fd);
    const at = now();
    this.#handlers.onConnect(took === 0 ? at : Math.min(this.begun + took, at));
  }

  #fail(result: number): void {
    if (this.#state === 'closed') return;
    this.close();
    this.#handlers.onFailure(result);
  }

  send(request: Uint8Array): void {
    if (this.#state === 'closed') return;
    const sent = this.#clients.write(this.#fd, request);
    // The send buffer is empty whenever a request is sent, and holds more than the longest one.
    if (sent !== request.length) setImmediate(() => this.#fail(sent < 0 ? sent : EAGAIN));
  }

  noDelay(): void {
    if (this.#state !== 'closed') setNoDelay(this.#fd);
  }

  port(): number {
    const local = localEndpoint(this.#fd);
    return typeof local === 'number' ? 0 : local.port;
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#clients.forget(this.#tag);
    closeFd(this.#fd);
  }
}
