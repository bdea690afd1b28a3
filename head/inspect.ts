/**
 * Is this the head of an HTTP/1.x request, is it all there, and what does it ask for? By the grammar of RFC 9112
 * sections 2 and 3 and RFC 9110 section 5.6.2, on bytes that stay in the socket. Only the request line is judged;
 * the field lines are for the server that answers (what is looked for in them: fields.ts).
 *
 * Made to be called again with more bytes: what is not yet decided is INCOMPLETE, and a wrong byte is found as soon
 * as it is there.
 */
import { ANNOUNCES_BODY, CLOSES, readField } from './fields.ts';

export const INCOMPLETE = 0;
export const COMPLETE = 1;
export const NOT_HTTP = 2;
export const TOO_LARGE = 3;
export const TLS = 4;
export const HTTP2 = 5;

/** What the last COMPLETE inspection found; one object, overwritten by each. Offsets are into `bytes`. */
export const request = {
  /** What was inspected. */
  bytes: new Uint8Array(0) as Uint8Array,
  /** One past the empty line that ends the head. */
  headEnd: 0,
  /** Path and query of the target, start and end; empty for `*` and for an absolute form without a path. */
  targetStart: 0,
  targetEnd: 0,
  /** One past the path. */
  pathEnd: 0,
  /** The target names a query but no path (`http://host?q`): a "/" belongs before it. */
  lacksSlash: false,
  /** `*`: the server as a whole (OPTIONS). */
  isServerWide: false,
  isHead: false,
  /** By the field lines no body follows, and the client sends nothing more on this connection. */
  isLast: false,
};

const SP = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const ASTERISK = 0x2a;
const COLON = 0x3a;

const TOKEN = 1;
const TARGET = 2;
const SCHEME = 4;
/** The classes of each byte: tchar (RFC 9110 5.6.2), allowed in a target, allowed in a scheme (RFC 3986 3.1). */
const classes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) classes[byte]! |= TOKEN;
  // Wider than RFC 3986, as browsers and servers are: all that can not end the line or start a fragment.
  if (byte > SP && byte !== 0x7f && character !== '#') classes[byte]! |= TARGET;
  if (/[A-Za-z0-9+\-.]/.test(character)) classes[byte]! |= SCHEME;
}

const VERSION = Buffer.from('HTTP/1.');

/** Inspects the first `length` bytes; a head that needs more than `limit` is TOO_LARGE. */
export function inspect(bytes: Uint8Array, length: number, limit: number): number {
  const verdict = inspectHead(bytes, length);
  if (verdict === INCOMPLETE) return length >= limit ? TOO_LARGE : INCOMPLETE;
  return verdict === COMPLETE && request.headEnd > limit ? TOO_LARGE : verdict;
}

function inspectHead(bytes: Uint8Array, length: number): number {
  // A TLS record of type handshake, version 3.x (RFC 8446 section 5.1).
  if (bytes[0] === 0x16) return length < 2 ? INCOMPLETE : bytes[1] === 3 ? TLS : NOT_HTTP;

  // Empty lines before the request line are to be ignored (RFC 9112 section 2.2).
  let at = 0;
  while (at < length && (bytes[at] === LF || bytes[at] === CR)) {
    if (bytes[at] === CR) {
      if (at + 1 >= length) return INCOMPLETE;
      if (bytes[at + 1] !== LF) return NOT_HTTP;
      at++;
    }
    at++;
  }

  const methodStart = at;
  while (at < length && classes[bytes[at]!]! & TOKEN) at++;
  if (at === length) return INCOMPLETE;
  if (bytes[at] !== SP || at === methodStart) return NOT_HTTP;
  const methodLength = at - methodStart;
  request.isHead = methodLength === 4 && isWord(bytes, methodStart, 'HEAD');
  at++;

  const targetStart = at;
  while (at < length && classes[bytes[at]!]! & TARGET) at++;
  // Judged while it arrives: a wrong form need not be waited out.
  const form = readTarget(bytes, targetStart, at, at < length);
  if (form === NOT_HTTP) return NOT_HTTP;
  if (at === length) return INCOMPLETE;
  if (bytes[at] !== SP || form === INCOMPLETE) return NOT_HTTP;
  at++;

  for (let i = 0; i < VERSION.length; i++, at++) {
    if (at === length) return INCOMPLETE;
    if (bytes[at] === VERSION[i]) continue;
    const isPreface =
      i === 5 && bytes[at] === 0x32 && methodLength === 3 && isWord(bytes, methodStart, 'PRI');
    return isPreface ? HTTP2 : NOT_HTTP;
  }
  if (at === length) return INCOMPLETE;
  if (bytes[at]! < 0x30 || bytes[at]! > 0x39) return NOT_HTTP;
  at++;
  if (at < length && bytes[at] === CR) at++;
  if (at === length) return INCOMPLETE;
  if (bytes[at] !== LF) return NOT_HTTP;

  // The empty line that ends the head; a lone LF ends a line as well (RFC 9112 section 2.2).
  let closes = false;
  let hasBody = false;
  for (; at < length; at++) {
    if (bytes[at] !== LF) continue;
    const next = bytes[at + 1] === CR && at + 1 < length ? at + 2 : at + 1;
    if (next < length && bytes[next] === LF) {
      request.bytes = bytes;
      request.headEnd = next + 1;
      request.isLast = closes && !hasBody;
      return COMPLETE;
    }
    const says = readField(bytes, at + 1);
    if (says === ANNOUNCES_BODY) hasBody = true;
    else if (says === CLOSES) closes = true;
  }
  return INCOMPLETE;
}

/** Reads a request target (RFC 9112 section 3.2) into `request`: COMPLETE, INCOMPLETE or NOT_HTTP. */
function readTarget(bytes: Uint8Array, start: number, end: number, whole: boolean): number {
  request.lacksSlash = false;
  request.isServerWide = false;
  if (start === end) return whole ? NOT_HTTP : INCOMPLETE;
  if (bytes[start] === SLASH) return setTarget(bytes, start, end);
  if (bytes[start] === ASTERISK) {
    if (end - start > 1) return NOT_HTTP;
    request.isServerWide = true;
    return setTarget(bytes, end, end);
  }
  // absolute-form: scheme "://" authority [ path ] [ "?" query ]
  let at = start;
  if (!isLetter(bytes[at]!)) return NOT_HTTP;
  while (at < end && classes[bytes[at]!]! & SCHEME) at++;
  for (let i = 0; i < 3; i++, at++) {
    if (at === end) return whole ? NOT_HTTP : INCOMPLETE;
    if (bytes[at] !== (i === 0 ? COLON : SLASH)) return NOT_HTTP;
  }
  const authority = at;
  while (at < end && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
  if (at === authority) return at === end && !whole ? INCOMPLETE : NOT_HTTP;
  request.lacksSlash = at === end || bytes[at] === QUESTION;
  return setTarget(bytes, at, end);
}

function setTarget(bytes: Uint8Array, start: number, end: number): number {
  request.targetStart = start;
  request.targetEnd = end;
  let at = start;
  while (at < end && bytes[at] !== QUESTION) at++;
  request.pathEnd = at;
  return COMPLETE;
}

const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;

function isWord(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}
