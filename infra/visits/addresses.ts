/**
 * One connection to a name that may have several addresses, as people's clients make it (RFC 8305, "happy eyeballs"): the
 * next address is tried when one has failed, or has not answered for a while, and whichever answers first is used. How
 * long that took is part of the time to connect.
 */
import { isIPv4 } from 'node:net';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { errnoName } from '../../shared/sys/libc.ts';
import type { Client, ClientHandlers, Clients } from './clients.ts';

/** RFC 8305 section 5 recommends 250 ms. */
const NEXT_AFTER_MS = 250;

/** In the resolver's order, but that the families take turns, the resolver's first one first (RFC 8305 section 4). */
export function takeTurns(addresses: readonly string[]): string[] {
  const first = addresses.filter((address) => isIPv4(address) === isIPv4(addresses[0]!));
  const other = addresses.filter((address) => isIPv4(address) !== isIPv4(addresses[0]!));
  return Array.from({ length: Math.max(first.length, other.length) }, (_, index) => [
    ...first.slice(index, index + 1),
    ...other.slice(index, index + 1),
  ]).flat();
}

/** As `clients.connect`, to one of several; for a single one it is that, and costs no more. */
export function connectToAny(
  clients: Clients,
  endpoints: readonly Endpoint[],
  handlers: ClientHandlers,
): Client | number {
  if (endpoints.length === 1) return clients.connect(endpoints[0]!, handlers);
  const race = new Race(clients, endpoints, handlers);
  return race.start();
}

class Race implements Client {
  begun = 0;
  readonly #clients: Clients;
  readonly #handlers: ClientHandlers;
  /** Those that were not tried yet. */
  readonly #left: Endpoint[];
  readonly #trying = new Set<Client>();
  #timer: NodeJS.Timeout | undefined;
  #winner: Client | undefined;
  #failure = 0;

  constructor(clients: Clients, endpoints: readonly Endpoint[], handlers: ClientHandlers) {
    this.#clients = clients;
    this.#handlers = handlers;
    this.#left = [...endpoints];
  }

  start(): Client | number {
    const result = this.#tryNext();
    return result < 0 ? result : this;
  }

  /** Begins with the first of those left that the kernel does not refuse at once. 0, or -errno when there was none. */
  #tryNext(): number {
    clearTimeout(this.#timer);
    for (;;) {
      const endpoint = this.#left.shift();
      if (endpoint === undefined) return this.#failure;
      const client = this.#begin(endpoint);
      if (typeof client === 'number') {
        this.#failed(client);
        continue;
      }
      if (this.begun === 0) this.begun = client.begun;
      this.#trying.add(client);
      if (this.#left.length > 0) this.#timer = setTimeout(() => this.#tryNext(), NEXT_AFTER_MS);
      return 0;
    }
  }

  #begin(endpoint: Endpoint): Client | number {
    const handlers = this.#handlers;
    // Nothing is called before `connect` has returned.
    const client: Client | number = this.#clients.connect(endpoint, {
      onConnect: (at) => {
        this.#winner = client as Client;
        this.#trying.delete(this.#winner);
        this.#endTrying();
        handlers.onConnect(at);
      },
      onBytes: (bytes, length, at) => handlers.onBytes(bytes, length, at),
      onEnd: () => handlers.onEnd(),
      onFailure: (result) => {
        if (this.#winner !== undefined) return handlers.onFailure(result);
        this.#trying.delete(client as Client);
        this.#failed(result);
        // Once one has failed the next is not waited for; while others are still tried, they may answer.
        if (this.#tryNext() < 0 && this.#trying.size === 0) handlers.onFailure(this.#failure);
      },
    });
    return client;
  }

  /** The last failure is told, but that there is no way to an address says nothing of the server at another. */
  #failed(result: number): void {
    if (this.#failure === 0 || !noWay.has(errnoName(result))) this.#failure = result;
  }

  #endTrying(): void {
    clearTimeout(this.#timer);
    this.#left.length = 0;
    for (const client of this.#trying) client.close();
    this.#trying.clear();
  }

  send(request: Uint8Array): void {
    this.#winner?.send(request);
  }

  noDelay(): void {
    this.#winner?.noDelay();
  }

  port(): number {
    return this.#winner?.port() ?? 0;
  }

  close(): void {
    this.#endTrying();
    this.#winner?.close();
  }
}

/** A family that this machine does not have, among others. */
const noWay = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EHOSTUNREACH', 'ENETUNREACH']);
