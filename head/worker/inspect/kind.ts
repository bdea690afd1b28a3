/** What a kind of connection is: how to tell by its first bytes, and what it asks for. */
import type { Found } from '../../found.ts';
import type { InspectionFailure, Refusal } from '../../refusals.ts';

/** What an inspection comes to: more bytes are needed; all is known; or there is nothing to be done, `found` tells why. */
export const INCOMPLETE = 0;
export const COMPLETE = 1;
export const REFUSED = 2;

export interface Kind {
  /** What a connection of this kind begins with. */
  readonly firstBytes: readonly number[] | 'others';
  /**
   * Inspects the first `length` bytes, of which it may need `limit` at most. Called again with more: what is not yet decided
   * is INCOMPLETE, and what is wrong is REFUSED as soon as it is there.
   */
  inspect(found: Found, bytes: Uint8Array, length: number, limit: number): number;
}

/** `answer`: undefined where the client would not understand one. */
export function refuse(found: Found, failure: InspectionFailure, answer: Refusal | undefined): number {
  found.failure = failure;
  found.answer = answer;
  return REFUSED;
}
