/**
 * What a policy goes by, as far as it can be seen in what has come of a request: what the head finds in the same bytes
 * (`head/worker/inspect/http.ts`), or nothing. A fuzzer holds the two together (`test/fuzz/targets/next-requests.ts`).
 */

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const HASH = 0x23;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const QUESTION = 0x3f;
const DELETE = 0x7f;
/** An ASCII letter's bit of the lower case. */
const LOWER = 0x20;
const HOST = Buffer.from('host');

const TOKEN = 1;
const SCHEME = 2;
const classes = new Uint8Array(256);
for (let byte = 0; byte < 128; byte++) {
  const character = String.fromCharCode(byte);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) classes[byte]! |= TOKEN;
  if (/[A-Za-z0-9+\-.]/.test(character)) classes[byte]! |= SCHEME;
}

/** A part of the bytes: from `start` to before `end`. What was found last, to be read before the next is looked for. */
export const found = { start: 0, end: 0 };
/** Of the request line that was read last: a server that its target names; and where it ends. */
const line = { nameStart: 0, nameEnd: 0, end: 0 };

/**
 * The path, without the query, of a request whose line is there to its end; of CONNECT, where it leads to. False where there is none
 * (`*`), and for what is no request.
 */
export const findPath = (bytes: Uint8Array, length: number): boolean =>
  readLine(bytes, length) && found.end > found.start;

/** The name of the server, as it was sent; false where that has not come. In the target it counts before any Host (RFC 9112 section 3.2.2). */
export function findHost(bytes: Uint8Array, length: number): boolean {
  if (!readLine(bytes, length)) return false;
  found.start = line.nameStart;
  found.end = line.nameEnd;
  if (line.nameEnd > 0) return found.end > found.start;
  for (let at = line.end; at < length; ) {
    const start = at + 1;
    const end = bytes.indexOf(LF, start);
    // Behind the empty line there is no field any more.
    if (end < 0 || end >= length || end === start || (end === start + 1 && bytes[start] === CR)) return false;
    const colon = hostColon(bytes, start);
    if (colon > 0) {
      found.start = colon + 1;
      found.end = end;
      return true;
    }
    at = end;
  }
  return false;
}

/** Where the colon of a field line is that begins at `at` and is called Host; 0 for any other. */
function hostColon(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < HOST.length; i++) if ((bytes[at + i]! | LOWER) !== HOST[i]) return 0;
  let colon = at + HOST.length;
  while (bytes[colon] === SP || bytes[colon] === TAB) colon++;
  return bytes[colon] === COLON ? colon : 0;
}

/** Its path into `found`, empty where it has none; false where no request line is there to its end. */
function readLine(bytes: Uint8Array, length: number): boolean {
  let at = 0;
  while (at < length && (bytes[at] === CR || bytes[at] === LF)) at++;
  const method = at;
  while (at < length && classes[bytes[at]!]! & TOKEN) at++;
  const methodEnd = at;
  if (at === method || at === length || bytes[at] !== SP) return false;
  at = skipSpaces(bytes, at, length);
  const target = at;
  while (at < length && bytes[at]! > SP && bytes[at] !== DELETE) at++;
  if (at === length || !readTarget(bytes, target, at, isWord(bytes, method, methodEnd, 'CONNECT')))
    return false;
  at = bytes[at] === SP ? endOfVersion(bytes, at, length, isWord(bytes, method, methodEnd, 'PRI')) : at;
  if (at < length && bytes[at] === CR) at++;
  line.end = at;
  return at < length && bytes[at] === LF;
}

/** The four forms of RFC 9112 section 3.2, of which only CONNECT has the third. */
function readTarget(bytes: Uint8Array, start: number, end: number, isConnect: boolean): boolean {
  line.nameStart = line.nameEnd = 0;
  let at = start;
  if (!isConnect && bytes[at] !== SLASH) {
    if (start === end) return false;
    if (bytes[at] === 0x2a) at = end;
    else {
      const authority = startOfAuthority(bytes, start, end);
      if (authority < 0) return false;
      at = authority;
      while (at < end && bytes[at] !== SLASH && bytes[at] !== QUESTION && bytes[at] !== HASH) at++;
      line.nameStart = authority;
      line.nameEnd = at;
    }
  }
  found.start = at;
  while (at < end && bytes[at] !== QUESTION && bytes[at] !== HASH) at++;
  found.end = at;
  return true;
}

/** Behind `scheme://`, or -1. */
function startOfAuthority(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const first = bytes[at]! | LOWER;
  if (first < 0x61 || first > 0x7a) return -1;
  while (at < end && classes[bytes[at]!]! & SCHEME) at++;
  const isThere = at + 2 < end && bytes[at] === COLON && bytes[at + 1] === SLASH && bytes[at + 2] === SLASH;
  return isThere ? at + 3 : -1;
}

/** Past `HTTP/1.1` or what else Node's parser takes there; `length` for anything else. HTTP/2 may begin so (`isPri`), and has no line. */
function endOfVersion(bytes: Uint8Array, from: number, length: number, isPri: boolean): number {
  let at = skipSpaces(bytes, from, length);
  const isHttp = isWord(bytes, at, at + 5, 'HTTP/');
  if (isHttp || isWord(bytes, at, at + 5, 'RTSP/')) at += 5;
  else if (isWord(bytes, at, at + 4, 'ICE/')) at += 4;
  else return length;
  const [major, minor] = [bytes[at]! - 0x30, bytes[at + 2]! - 0x30];
  if (at + 3 > length || bytes[at + 1] !== DOT || !isDigit(major) || !isDigit(minor)) return length;
  const isKnown =
    !isHttp || major === 1 || (major === 0 && minor === 9) || (major === 2 && minor === 0 && !isPri);
  return isKnown ? at + 3 : length;
}

function skipSpaces(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  while (at < length && bytes[at] === SP) at++;
  return at;
}

const isDigit = (number: number): boolean => number >= 0 && number <= 9;

function isWord(bytes: Uint8Array, from: number, to: number, word: string): boolean {
  if (to - from !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word.charCodeAt(i)) return false;
  return true;
}
