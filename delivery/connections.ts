/**
 * The connections that were handed over to this process and are open, and how each came, for applications that want
 * to know.
 *
 * They are in an array, and each knows its place. A Set would do but for what it costs: when it makes room, the table
 * that it leaves behind still points at the sockets of that moment, and when that table is old they outlive every
 * collection of young objects. (Measured at 10,000 connections a second: 5 MB of sockets survive each collection, which
 * takes 7 to 35 ms; with the array 1 ms.)
 */
import { Socket } from 'node:net';
import { Packr } from 'msgpackr/pack';
import type { Transport } from '../shared/status.ts';
import type { AdoptedHandle, AdoptedSocket, Holder } from './adopt.ts';
import { apart } from './apart.ts';
import type { WayBack } from './way-back.ts';

export interface ConnectionInfo {
  /** Unique among all connections of the head, its earlier runs included. */
  readonly id: string;
  readonly transport: Transport;
  /** The name under which this delivery is registered. */
  readonly delivery: string;
  /** What the application that had it before has said of it (`onMove`); undefined where there was none, or none that can be read. */
  readonly state?: unknown;
}

/** How a connection came, and whom to tell that it has ended. */
export interface Arrival {
  /** Unique among all connections of the head. */
  readonly id: string;
  readonly transport: Transport;
  /** Where it is given back, if it can be there. */
  readonly wayBack?: WayBack | undefined;
  /** What came with it, as MessagePack. */
  readonly state?: Uint8Array | undefined;
  /** It has been closed. False when what it came by is gone, and somebody else must be told. */
  closed(): boolean;
}

/** A connection's place is on its socket: every socket has one shape, and no table is looked into. */
const PLACE = Symbol('baton');

export class Connections {
  readonly delivery: string;
  readonly #onClosed: (arrival: Arrival) => void;
  readonly #open: Place[] = [];
  #waiting = 0;

  /** `onClosed` is called for each when it has closed and is not counted any more. */
  constructor(delivery: string, onClosed: (arrival: Arrival) => void) {
    this.delivery = delivery;
    this.#onClosed = onClosed;
  }

  /** What this process holds: what the server has, and what waits for it. */
  get count(): number {
    return this.#open.length + this.#waiting;
  }

  /** The server has them, or had them and they are open. */
  get open(): number {
    return this.#open.length;
  }

  /** Taken, and not yet the server's: `count` more. Each is to be added or turned away. */
  expect(count: number): void {
    this.#waiting += count;
  }

  add(socket: AdoptedSocket & { [PLACE]?: Place }, handle: AdoptedHandle, arrival: Arrival): void {
    this.#waiting--;
    const place = new Place(socket, handle, arrival, this, this.#open.length);
    socket[PLACE] = place;
    handle.holder = place;
    this.#open.push(place);
  }

  /** It has been closed without having been the server's. */
  turnAway(arrival: Arrival): void {
    this.#waiting--;
    this.#onClosed(arrival);
  }

  /** Calls `use` with each that the server has: they may leave meanwhile. */
  each(use: (socket: AdoptedSocket, arrival: Arrival) => void): void {
    for (const { socket, arrival } of [...this.#open]) use(socket, arrival);
  }

  /** How one that is among these has come. */
  arrivalOf(socket: AdoptedSocket & { [PLACE]?: Place }): Arrival | undefined {
    const place = socket[PLACE];
    return place?.among === this ? place.arrival : undefined;
  }

  destroyAll(): void {
    // A copy: each that is closed leaves its place.
    for (const place of [...this.#open]) apart(() => place.destroy());
  }

  /** The last one takes its place. */
  remove(place: Place): void {
    const last = this.#open.pop()!;
    if (last !== place) {
      this.#open[place.index] = last;
      last.index = place.index;
    }
    this.#onClosed(place.arrival);
  }
}

class Place implements Holder {
  readonly socket: AdoptedSocket;
  #handle: AdoptedHandle | undefined;
  readonly arrival: Arrival;
  readonly among: Connections;
  index: number;

  constructor(
    socket: AdoptedSocket,
    handle: AdoptedHandle,
    arrival: Arrival,
    among: Connections,
    index: number,
  ) {
    this.socket = socket;
    this.#handle = handle;
    this.arrival = arrival;
    this.among = among;
    this.index = index;
  }

  closed(): void {
    this.#handle = undefined;
    this.socket.forgetHandle();
    this.among.remove(this);
  }

  /** With the handle, where the application has taken that from the socket. */
  destroy(): void {
    const isWhole = this.socket.ownsHandle;
    try {
      this.socket.destroy();
    } finally {
      // Whatever the application has made of that method.
      Socket.prototype.destroy.call(this.socket);
      if (!isWhole) this.#handle?.close();
    }
  }
}

/**
 * How a connection came. Its socket is what the server has of it: a net.Socket, the TLSSocket that speaks through one, or
 * what stands for these in HTTP/2 (`request.socket`, `session.socket`). Undefined for a connection that did not come
 * from a head, and for an HTTP/2 session, or a TLSSocket that was never asked before, that has ended.
 */
export function connectionInfo(socket: object): ConnectionInfo | undefined {
  const place = placeOf(socket);
  if (!place) return undefined;
  const { id, transport, state } = place.arrival;
  const info = { id, transport, delivery: place.among.delivery };
  return state === undefined ? info : { ...info, state: readState(state) };
}

const packr = new Packr({ useRecords: false });

/** Another program has made it: what cannot be read is none, and no reason for this one's application to fail. */
function readState(state: Uint8Array): unknown {
  try {
    return packr.unpack(state);
  } catch {
    return undefined;
  }
}

interface MaybeWrapping {
  [PLACE]?: Place | undefined;
  /** A TLSSocket's: the socket whose handle it has wrapped (lib/internal/tls/wrap.js). */
  readonly _handle?: { readonly _parentWrap?: MaybeWrapping | null } | null;
}

function placeOf(socket: MaybeWrapping): Place | undefined {
  try {
    const place = socket[PLACE] ?? socket._handle?._parentWrap?.[PLACE];
    // Kept, because a TLSSocket that has closed does not know any more what it was made of.
    if (place) socket[PLACE] = place;
    return place;
  } catch {
    // What stands for the socket of an HTTP/2 session throws once that has ended.
    return undefined;
  }
}
