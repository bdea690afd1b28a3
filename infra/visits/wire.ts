/**
 * A connection as a stream, for what reads and writes streams: TLS, HTTP/2, WebSocket. The connection is one of clients.ts, so
 * the times are the kernel's: what is being read has the moment of its arrival beside it, for as long as it is read.
 */
import { Duplex } from 'node:stream';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { connectToAny } from './addresses.ts';
import { type Client, type ClientHandlers, type Clients, now, REQUEST_MAX } from './clients.ts';

export type WireHandlers = Omit<ClientHandlers, 'onBytes'>;

/** Of what came first so much is kept, to tell what it is. */
const BEGINNING_BYTES = 5;

type Written = (error?: Error | null) => void;

export class Wire extends Duplex {
  /** When that which is being read, or was read last, had come: its last byte, and its first. */
  arrived = 0;
  began = 0;
  /** When something was written last. */
  sent = 0;
  /** The server has ended its side. */
  ended = false;
  beginning: Buffer = Buffer.alloc(0);

  readonly #handlers: WireHandlers;
  readonly #records: Records | undefined;
  #cut = false;
  #client: Client | undefined;
  /** What is written before there is a connection. */
  #early: Buffer[] | undefined = [];
  #worked = 0;
  #working = 0;

  /** `tls`: what comes is records of TLS. */
  constructor(tls: boolean, handlers: WireHandlers) {
    super();
    this.#handlers = handlers;
    this.#records = tls ? new Records() : undefined;
    this.on('error', () => {});
  }

  /** Begins to connect. -errno when the kernel refuses at once; then no handler is called. */
  connect(clients: Clients, endpoints: readonly Endpoint[]): number {
    const { onEnd, onFailure } = this.#handlers;
    const client = connectToAny(clients, endpoints, {
      onConnect: (at) => this.#connected(at),
      onBytes: (bytes, length, at) => this.#received(bytes, length, at),
      onEnd: () => {
        if (this.ended) return;
        this.ended = true;
        onEnd();
        if (!this.destroyed) this.push(null);
      },
      onFailure,
    });
    if (typeof client === 'number') return client;
    this.#client = client;
    return 0;
  }

  /** When its SYN left. */
  get begun(): number {
    return this.#client!.begun;
  }

  port(): number {
    return this.#client!.port();
  }

  /** From now on records are passed on one by one, so that `began` is right for each. */
  cutRecords(): void {
    this.#cut = true;
  }

  /**
   * The time that this process took itself since the last call, microseconds: each time from when something had come until
   * the last of what was written upon it. What a visit takes has it in it.
   */
  takeWork(): number {
    const worked = this.#worked + this.#working;
    this.#worked = 0;
    this.#working = 0;
    return worked;
  }

  #connected(at: number): void {
    this.arrived = at;
    // What TLS and HTTP/2 write in several pieces must not wait for the peer to confirm the first (RFC 896).
    this.#client!.noDelay();
    const early = this.#early ?? [];
    this.#early = undefined;
    if (early.length > 0) this.#send(Buffer.concat(early));
    this.#handlers.onConnect(at);
  }

  #received(bytes: Buffer, length: number, at: number): void {
    this.#worked += this.#working;
    this.#working = 0;
    this.arrived = at;
    // The bytes of the next connection will be where these are, and a stream may keep what it is given.
    const own = Buffer.from(bytes.subarray(0, length));
    if (this.beginning.length < BEGINNING_BYTES)
      this.beginning = Buffer.concat([this.beginning, own.subarray(0, BEGINNING_BYTES)]);
    for (let from = 0; from < length && !this.destroyed; ) {
      const to = this.#next(own, from, at);
      this.push(from === 0 && to === length ? own : own.subarray(from, to));
      from = to;
    }
  }

  /** Where that ends which is to be passed on next. */
  #next(bytes: Buffer, from: number, at: number): number {
    this.began = at;
    const records = this.#records;
    if (!records) return bytes.length;
    let to = records.next(bytes, from, at);
    this.began = records.began;
    while (!this.#cut && to < bytes.length) to = records.next(bytes, to, at);
    return to;
  }

  #send(bytes: Buffer): void {
    this.sent = now();
    for (let from = 0; from < bytes.length; from += REQUEST_MAX)
      this.#client!.send(bytes.subarray(from, from + REQUEST_MAX));
    this.#working = now() - this.arrived;
  }

  override _read(): void {}

  override _write(bytes: Buffer, _: BufferEncoding, written: Written): void {
    if (this.#early) {
      // A client that is not connected has nothing to say that does not fit.
      if (this.#early.push(bytes) > 64) this.#handlers.onFailure(EAGAIN);
    } else {
      this.#send(bytes);
    }
    written();
  }

  override _writev(chunks: { chunk: Buffer }[], written: Written): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'latin1', written);
  }

  override _destroy(error: Error | null, done: Written): void {
    this.#client?.close();
    done(error);
  }
}

/** Finds where TLS records begin and end (RFC 8446 section 5.1). */
class Records {
  /** When the first byte of the record came that `next` was in last. */
  began = 0;
  /** Bytes of its header so far, and how many of its others are still to come. */
  #header = 0;
  #left = 0;

  /** The end of the record that goes on or begins at `from`, or of the bytes. */
  next(bytes: Buffer, from: number, at: number): number {
    let end = from;
    if (this.#header === 0) this.began = at;
    for (; this.#header < 5 && end < bytes.length; this.#header++) {
      const byte = bytes[end++]!;
      if (this.#header === 3) this.#left = byte << 8;
      else if (this.#header === 4) this.#left += byte;
    }
    if (this.#header < 5) return end;
    const taken = Math.min(this.#left, bytes.length - end);
    this.#left -= taken;
    if (this.#left === 0) this.#header = 0;
    return end + taken;
  }
}
