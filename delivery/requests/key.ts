/** What a policy goes by, as far as it can be seen in what has come of a request. */

const SP = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const HASH = 0x23;
const COLON = 0x3a;
const UPPER = 0x20;
const HOST = Buffer.from('host');

/** A part of the bytes: from `start` to before `end`. What was found last, to be read before the next is looked for. */
export const found = { start: 0, end: 0 };

/**
 * The path, without the query, of a request whose line is there to its end and that asks in origin-form (RFC 9112 section
 * 3.2.1); false for any other. What the head finds in a request is the same (`head/worker/inspect/http.ts`).
 */
export function findPath(bytes: Uint8Array, length: number): boolean {
  let at = 0;
  while (at < length && (bytes[at] === CR || bytes[at] === LF)) at++;
  while (at < length && bytes[at] !== SP && bytes[at] !== LF) at++;
  while (at < length && bytes[at] === SP) at++;
  if (bytes[at] !== SLASH || at >= length) return false;
  found.start = at;
  while (at < length && bytes[at]! > SP && bytes[at] !== QUESTION && bytes[at] !== HASH) at++;
  found.end = at;
  while (at < length && bytes[at] !== LF) at++;
  return at < length;
}

/** What the field Host says, as it was sent; false where that has not come. */
export function findHost(bytes: Uint8Array, length: number): boolean {
  for (let at = 0; at < length; at++) {
    if (bytes[at] !== LF) continue;
    let i = 0;
    while (i < HOST.length && (bytes[at + 1 + i]! | UPPER) === HOST[i]) i++;
    if (i < HOST.length || bytes[at + 1 + i] !== COLON) continue;
    found.start = at + 2 + i;
    for (let end = found.start; end < length; end++) {
      if (bytes[end] !== LF) continue;
      found.end = end;
      return true;
    }
    return false;
  }
  return false;
}
