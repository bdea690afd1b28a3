/**
 * What the head wants to know of the field lines. Whether a body follows, and whether the client has said that it sends
 * nothing after this request (`Connection: close`, RFC 9112 section 9.6): both together tell that a connection can be closed
 * after its answer without looking for more input. What some server may read in another way counts as a doubt, and then
 * more input is looked for. And which server is asked (`Host`), and whether for another protocol (`Upgrade`).
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
const HOST = Buffer.from('host');
const UPGRADE = Buffer.from('upgrade');
const H2C = Buffer.from('h2c');

const OTHER = 0;
export const ANNOUNCES_BODY = 1;
export const CLOSES = 2;
/** A line that goes on from the one before (RFC 9112 section 5.2), or a Connection field of more or else than `close`. */
export const DOUBTFUL = 3;
export const NAMES_SERVER = 4;
export const UPGRADES = 5;

/** What the field line that begins at `at` says. */
export function readField(bytes: Uint8Array, at: number): number {
  const first = bytes[at]! | LOWER;
  if (first === 0x74) return colonOf(bytes, at, TRANSFER_ENCODING) > 0 ? ANNOUNCES_BODY : OTHER;
  // A space or, by the same bit, a zero; a tab or a parenthesis.
  if (first === SP || first === (TAB | LOWER)) return DOUBTFUL;
  if (first === 0x68) return colonOf(bytes, at, HOST) > 0 ? NAMES_SERVER : OTHER;
  if (first === 0x75) return isUpgrade(bytes, at) ? UPGRADES : OTHER;
  if (first !== 0x63) return OTHER;
  if (colonOf(bytes, at, CONTENT_LENGTH) > 0) return ANNOUNCES_BODY;
  const colon = colonOf(bytes, at, CONNECTION);
  if (colon < 0) return OTHER;
  let value = skipSpace(bytes, colon + 1);
  if (!isWord(bytes, value, CLOSE)) return DOUBTFUL;
  value = skipSpace(bytes, value + CLOSE.length);
  return bytes[value] === CR || bytes[value] === LF ? CLOSES : DOUBTFUL;
}

/** Where the value begins of a line that names the server. */
export const hostOf = (bytes: Uint8Array, at: number): number => colonOf(bytes, at, HOST) + 1;

/** Who offers HTTP/2 so, which no browser does and RFC 9113 took back, goes on with HTTP/1.1 where nobody takes it up. */
function isUpgrade(bytes: Uint8Array, at: number): boolean {
  const colon = colonOf(bytes, at, UPGRADE);
  if (colon < 0) return false;
  const value = skipSpace(bytes, colon + 1);
  if (!isWord(bytes, value, H2C)) return true;
  const end = skipSpace(bytes, value + H2C.length);
  return bytes[end] !== CR && bytes[end] !== LF;
}

/** Where the colon is, -1 for another name. Space before it is wrong (RFC 9112 section 5.1), and some servers let it pass. */
function colonOf(bytes: Uint8Array, at: number, name: Uint8Array): number {
  if (!isWord(bytes, at, name)) return -1;
  const colon = skipSpace(bytes, at + name.length);
  return bytes[colon] === COLON ? colon : -1;
}

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
