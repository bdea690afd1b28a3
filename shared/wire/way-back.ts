/**
 * Messages on a way back: the socket over which a delivery gives connections back to one worker of the head, and hears what has
 * become of them. Arrays by hand, as on a lane (lane.ts). PROTOCOL.md describes them for other languages.
 *
 *     delivery to head, with one fd   [number]            a connection that had been taken, by the delivery's own number of it
 *                                     [number, state]     and what its application needs to go on with it (bin)
 *     head to delivery                [MOVED, number]     it is the head's: close your copy
 *                                     [KEPT, number]      it stays yours
 */
import { readPosition as position, readArrayHeader, readBin, readUint, writeBin, writeUint } from './lane.ts';

export const MOVED = 1;
export const KEPT = 2;

/** Bytes of an application's state, at most. */
export const STATE_MAX = 32_768;
/** No message of a way back, nor one of a lane with a state, is longer. */
export const GIVEN_MESSAGE_MAX = STATE_MAX + 64;
/** No word is longer. */
export const WORD_MAX = 64;
/** What a delivery has given on one way back, and has had no word of, at most. */
export const GIVEN_MAX = 1024;

/** `[number]` or `[number, state]`; its length in bytes. */
export function writeGiven(into: Uint8Array, number: number, state?: Uint8Array): number {
  into[0] = state ? 0x92 : 0x91;
  const at = writeUint(into, 1, number >>> 0);
  return state ? writeBin(into, at, state) : at;
}

export interface Given {
  readonly number: number;
  /** A copy. */
  readonly state: Uint8Array | undefined;
}

/** Undefined for anything that is not exactly one. */
export function readGiven(from: Uint8Array, length: number): Given | undefined {
  if (length < 2 || length > GIVEN_MESSAGE_MAX) return undefined;
  const elements = readArrayHeader(from, length);
  if (elements !== 1 && elements !== 2) return undefined;
  const number = readUint(from, length);
  if (number < 0) return undefined;
  const state = elements === 2 ? readBin(from, length, STATE_MAX) : undefined;
  if (elements === 2 && !state) return undefined;
  return position === length ? { number, state } : undefined;
}

/** `[kind, number]`; its length in bytes. */
export function writeWord(into: Uint8Array, kind: number, number: number): number {
  into[0] = 0x92;
  into[1] = kind;
  return writeUint(into, 2, number >>> 0);
}

/** Undefined for anything that is not exactly one. */
export function readWord(
  from: Uint8Array,
  length: number,
): { readonly isMoved: boolean; readonly number: number } | undefined {
  if (length < 3 || length > WORD_MAX || readArrayHeader(from, length) !== 2) return undefined;
  const kind = readUint(from, length);
  const number = readUint(from, length);
  if ((kind !== MOVED && kind !== KEPT) || number < 0 || position !== length) return undefined;
  return { isMoved: kind === MOVED, number };
}
