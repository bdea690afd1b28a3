/** FNV-1a, 32 bits (draft-eastlake-fnv): small, and good enough to spread names, paths and addresses. */

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** The hash of the bytes from `start` to before `end`: an unsigned number. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, PRIME);
  return hash >>> 0;
}

/** As hashBytes, of a text of one byte a character. */
export function hashText(text: string): number {
  let hash = OFFSET;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  return hash >>> 0;
}
