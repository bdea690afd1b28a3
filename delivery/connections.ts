/**
 * The connections that were handed over to this process and are open, and how each came, for applications that want
 * to know.
 *
 * They are in an array, and each knows its place. A Set would do but for what it costs: when it makes room, the table
 * that it leaves behind still points at the sockets of that moment, and when that table is old they outlive every
 * collection of young objects. (Measured at 10,000 connections a second: 5 MB of sockets survive each collection, which
 * takes 7 to 35 ms; with the array 1 ms.)
 */
import type { Socket } from 'node:net';
import type { Transport } from '../shared/status.ts';

export interface ConnectionInfo {
  /** One of a kind among all connections of the head, its earlier runs included. */
  readonly id: string;
  readonly transport: Transport;
  /** The name under which this delivery is registered. */
  readonly delivery: string;
}

/** How a connection came, and whom to tell that it has ended. */
export interface Arrival {
  /** One of a kind among all connections of the head. */
  readonly id: string;
  readonly transport: Transport;
  /** Its socket has been closed. False when what it came by is gone, and somebody else must be told. */
  closed(): boolean;
}

/** A connection's place is on its socket: every socket has one shape, and no table is looked into. */
const PLACE = Symbol('baton');

interface Place {
  readonly socket: Socket;
  readonly arrival: Arrival;
  readonly among: Connections;
  index: number;
}

type PlacedSocket = Socket & { [PLACE]?: Place };

export class Connections {
  readonly delivery: string;
  readonly #onClosed: (arrival: Arrival) => void;
  readonly #open: Place[] = [];

  /** `onClosed` is called for each when it has closed and is not counted any more. */
  constructor(delivery: string, onClosed: (arrival: Arrival) => void) {
    this.delivery = delivery;
    this.#onClosed = onClosed;
  }

  get count(): number {
    return this.#open.length;
  }

  add(socket: PlacedSocket, arrival: Arrival): void {
    const place = { socket, arrival, among: this, index: this.#open.length };
    socket[PLACE] = place;
    this.#open.push(place);
    socket.on('close', closed);
  }

  destroyAll(): void {
    for (const { socket } of this.#open) socket.destroy();
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

function closed(this: PlacedSocket): void {
  const place = this[PLACE]!;
  place.among.remove(place);
}

/** Undefined for a connection that did not come from a head. */
export function connectionInfo(socket: object): ConnectionInfo | undefined {
  const place = (socket as PlacedSocket)[PLACE];
  if (!place) return undefined;
  const { id, transport } = place.arrival;
  return { id, transport, delivery: place.among.delivery };
}
