/** What a kind of connection is: how to tell by its first bytes, and what it asks for. */
import type { Found } from '../../found.ts';
import { HTTP, type InspectionFailure, type Refusal } from '../../refusals.ts';

/** What an inspection comes to: more bytes are needed; all is known; or there is nothing to be done, `found` tells why. */
export const INCOMPLETE = 0;
export const COMPLETE = 1;
export const REFUSED = 2;

export interface Kind {
  /** What a connection of this kind begins with. */
  readonly firstBytes: readonly number[] | 'others';
  /**
   * Inspects the first `length` bytes; of a request head `limit` may be needed at most. Called again with more: what is not
   * yet decided is INCOMPLETE, and what is wrong is REFUSED as soon as it is there.
   */
  inspect(found: Found, bytes: Uint8Array, length: number, limit: number): number;
}

/** `answer`: undefined where the client would not understand one. */
export function refuse(found: Found, failure: InspectionFailure, answer: Refusal | undefined): number {
  found.failure = failure;
  found.answer = answer;
  return REFUSED;
}

/** Nothing is known of it yet. */
export function forget(found: Found): void {
  found.speaks = HTTP;
  found.lineEnd = 0;
  found.needed = 0;
  found.isEnough = false;
  found.isHead = false;
  found.cannotFollow = false;
  found.keys.name.start = found.keys.name.end = 0;
  found.name = undefined;
}

/** It speaks `language`, in which the head has no Location to answer. */
export function speaks(found: Found, language: number): void {
  found.speaks = language;
  found.cannotFollow = true;
  found.refusal = 'unavailable';
  found.isLast = false;
  found.keys.path.start = found.keys.path.end = 0;
}
