/**
 * What a head has said of distribution by request, and what follows from it for a request that has come: does this delivery
 * keep the connection, has another one it, or is that for the head to say?
 */
import { hashBytes, hashText } from '../../shared/fnv.ts';
import { rendezvous } from '../../shared/rendezvous.ts';
import type { Distribute } from '../../shared/wire/distribute.ts';
import { findHost, findPath, found } from './key.ts';

export const KEEPS = 0;
/** The head knows who it is for. */
const ASKS = 1;
/** It is for another one, whichever. */
export const GIVES = 2;

/** Leases at once; with more, all are asked for again. */
const LEASES_MAX = 65_536;
/** Where the head has kept one because nobody could take it, nothing is given for so long, and for twice as long each time. */
const REST_MS = 50;
const REST_MAX_MS = 2000;

export class Standing {
  readonly #by: Distribute['by'];
  readonly #key: Distribute['key'];
  readonly #leaseMs: number;
  readonly #nameHash: Uint32Array;
  readonly #slots: { readonly slots: Int32Array; readonly count: number };
  /** Where this delivery stands among them; -1: it is given nothing more. */
  readonly #own: number;
  /** Of all requests, those that it keeps; and what it has coming of the next one. */
  readonly #share: number;
  #due = Math.random();
  /** Until when. */
  readonly #leases = new Map<number, number>();
  #restMs = 0;
  #restUntil = 0;
  /** What the last one was judged by. */
  key = 0;

  constructor({ by, key, leaseMs, deliveries }: Distribute, own: string) {
    this.#by = by;
    this.#key = key;
    this.#leaseMs = leaseMs;
    this.#own = deliveries.findIndex(({ name }) => name === own);
    this.#nameHash = Uint32Array.from(deliveries, ({ name }) => hashText(name));
    this.#slots = { slots: Int32Array.from(deliveries, (_, i) => i), count: deliveries.length };
    const weights = deliveries.map(({ weight }) => (by === 'shares' ? weight : 1));
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    this.#share = this.#own < 0 || all === 0 ? 0 : weights[this.#own]! / all;
  }

  /** There is somebody else who could be chosen. */
  get matters(): boolean {
    return this.#by !== null && this.#slots.count > (this.#own < 0 ? 0 : 1);
  }

  /** By the `length` bytes of it that have come, and its client's address. */
  judge(bytes: Uint8Array, length: number, address: () => string): number {
    if (!this.matters || (this.#restUntil > 0 && performance.now() < this.#restUntil)) return KEEPS;
    switch (this.#by) {
      case 'turns':
      case 'shares':
        this.#due += this.#share;
        if (this.#due < 1) return GIVES;
        this.#due -= 1;
        return KEEPS;
      case 'hash':
        // What does not show its path in its first packet is served where it has come to.
        if (!findPath(bytes, length)) return KEEPS;
        this.key = hashBytes(bytes, found.start, found.end);
        return rendezvous(this.#slots, this.#nameHash, this.key) === this.#own ? KEEPS : ASKS;
      case 'lease':
        if (!this.#findKey(bytes, length, address)) return KEEPS;
        return this.#hasLease() ? KEEPS : ASKS;
      default:
        return ASKS;
    }
  }

  #findKey(bytes: Uint8Array, length: number, address: () => string): boolean {
    if (this.#key === 'address') this.key = hashText(address());
    else if (this.#key === 'path' ? findPath(bytes, length) : findHost(bytes, length))
      this.key = hashBytes(bytes, found.start, found.end);
    else return false;
    return true;
  }

  #hasLease(): boolean {
    const until = this.#leases.get(this.key);
    return until !== undefined && until > performance.now();
  }

  /** The head has chosen this delivery for what is judged by `key`. */
  chosen(key: number): void {
    this.#restMs = this.#restUntil = 0;
    if (this.#by !== 'lease') return;
    if (this.#leases.size >= LEASES_MAX) this.#leases.clear();
    this.#leases.set(key, performance.now() + this.#leaseMs);
  }

  moved(): void {
    this.#restMs = this.#restUntil = 0;
  }

  /** Nobody could take one. */
  declined(): void {
    this.#restMs = Math.min(Math.max(this.#restMs * 2, REST_MS), REST_MAX_MS);
    this.#restUntil = performance.now() + this.#restMs;
  }
}
