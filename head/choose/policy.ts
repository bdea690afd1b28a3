/** What a policy is: how the head picks one of several deliveries for a connection. */
import type { FoundKey } from '../found.ts';
import type { Loads } from '../scoreboard.ts';

/** The deliveries that can take this connection, as slots of the scoreboard; never empty when a policy is asked. */
export interface Candidates {
  readonly slots: Int32Array;
  count: number;
}

/**
 * One worker's chooser. It may keep state of its own; it allocates nothing. Returns one of the candidates' slots.
 * `keyHash`: FNV-1a of what the policy needs to know; 0 when it needs nothing.
 */
export type Choose = (candidates: Candidates, keyHash: number) => number;

export interface Policy {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /**
   * The client's IP address, or a part of its first bytes: the path of its first request, without the query; the name of the
   * server that it asks for.
   */
  readonly needs: 'nothing' | 'address' | FoundKey;
  /** `nameHash[slot]`: FNV-1a of the delivery's name. */
  create(loads: Loads, nameHash: Uint32Array): Choose;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** As hashBytes, of a text of one byte a character. */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
}

/** FNV-1a, 32 bits (draft-eastlake-fnv): small, and good enough to spread names and paths. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
  return hash >>> 0;
}
