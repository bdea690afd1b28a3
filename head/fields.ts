/**
 * The two things that the head wants to know of the field lines: whether a body follows, and whether the client has
 * said that it sends nothing after this request (`Connection: close`, RFC 9112 section 9.6). Both together tell that
 * a connection can be closed after its answer without looking for more input.
 */
const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const TAB = 0x09;
/** An ASCII letter's bit of the lower case. */
const LOWER = 0x20;

const CONTENT_LENGTH = Buffer.from('content-length');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');
const CONNECTION = Buffer.from('connection');
const CLOSE = Buffer.from('close');

const OTHER = 0;
export const ANNOUNCES_BODY = 1;
export const CLOSES = 2;

/** What the field line that begins at `at` says. A `close` in a list with others counts as OTHER: that is rare. */
export function readField(bytes: Uint8Array, at: number): number {
  const first = bytes[at]! | LOWER;
  if (first === 0x74) return isName(bytes, at, TRANSFER_ENCODING) ? ANNOUNCES_BODY : OTHER;
  if (first !== 0x63) return OTHER;
  if (isName(bytes, at, CONTENT_LENGTH)) return ANNOUNCES_BODY;
  if (!isName(bytes, at, CONNECTION)) return OTHER;
  let value = skipSpace(bytes, at + CONNECTION.length + 1);
  if (!isWord(bytes, value, CLOSE)) return OTHER;
  value = skipSpace(bytes, value + CLOSE.length);
  return bytes[value] === CR || bytes[value] === LF ? CLOSES : OTHER;
}

const isName = (bytes: Uint8Array, at: number, name: Uint8Array): boolean =>
  isWord(bytes, at, name) && bytes[at + name.length] === COLON;

/** `word` is in lower case. */
function isWord(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if ((bytes[at + i]! | LOWER) !== word[i]) return false;
  return true;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === SP || bytes[at] === TAB) at++;
  return at;
}
