/**
 * Is this the head of an HTTP/1.x request, is it all there, and what does it ask for? By the grammar of RFC 9112
 * sections 2 and 3 and RFC 9110 section 5.6.2, on bytes that stay in the socket, and wider where Node's own parser is
 * (test/head/node-parser.test.ts): a delivery's server decides what it serves, the head only has to find the end. Only
 * the request line is judged; the field lines are for the server that answers (what is looked for in them: fields.ts).
 *
 * Made to be called again with more bytes: what is not yet decided is INCOMPLETE, and a wrong byte is found as soon
 * as it is there. `mayDecide` tells whether more bytes are worth it.
 */
import type { Found } from '../../found.ts';
import { ANNOUNCES_BODY, CLOSES, DOUBTFUL, hostOf, NAMES_SERVER, readField, UPGRADES } from './fields.ts';
import { inspectPreface } from './http2.ts';
import { COMPLETE, INCOMPLETE, type Kind, refuse } from './kind.ts';

/** As a verdict within this file. */
const NOT_HTTP = -1;

const SP = 0x20;
const CR = 0x0d;
const LF = 0x0a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const ASTERISK = 0x2a;
const COLON = 0x3a;
const HASH = 0x23;
const DOT = 0x2e;

const TOKEN = 1;
const TARGET = 2;
const SCHEME = 4;
/** The classes of each byte: tchar (RFC 9110 5.6.2), allowed in a target, allowed in a scheme (RFC 3986 3.1). */
const classes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) classes[byte]! |= TOKEN;
  // Wider than RFC 3986, as browsers and servers are: all that can not end the line.
  if (byte > SP && byte !== 0x7f) classes[byte]! |= TARGET;
  if (/[A-Za-z0-9+\-.]/.test(character)) classes[byte]! |= SCHEME;
}

/** What stands before a version's number. The last two are of other protocols, whose requests Node's parser takes as well. */
const PROTOCOLS = ['HTTP/', 'RTSP/', 'ICE/'].map((name) => Buffer.from(name));
/** Below this length a request line is inspected again with each byte. */
const SHORT = 256;

/** For a request whose line is not whole: there is nothing in it that may be acted on. */
export function forgetTarget(found: Found): void {
  found.keys.name.start = found.keys.name.end = 0;
  found.targetStart = found.targetEnd = found.keys.path.start = found.keys.path.end = 0;
  found.cannotFollow = true;
  found.refusal = 'unavailable';
}

/** An HTTP/1.x request, or one of those that look like one; a head that needs more than `limit` bytes is refused. */
export const http: Kind = {
  firstBytes: 'others',
  inspect(found, bytes, length, limit) {
    const verdict = inspectHead(found, bytes, length);
    if (verdict === NOT_HTTP) return refuse(found, 'not_http', 'badRequest');
    const isTooLarge = verdict === INCOMPLETE ? length >= limit : verdict === COMPLETE && found.end > limit;
    return isTooLarge ? refuse(found, 'head_too_large', 'headTooLarge') : verdict;
  },
};

/**
 * Whether `length` bytes may give another verdict than the first `before` gave, which was INCOMPLETE and (`lineIsWhole`)
 * had the whole request line. Looks at the new bytes only, so that a head costs by its length in however many pieces it
 * comes; a long request line is inspected again when it has grown by half, or ends.
 */
export function mayDecide(bytes: Uint8Array, before: number, length: number, lineIsWhole: boolean): boolean {
  if (!lineIsWhole && (length < SHORT || length > before * 1.5)) return true;
  for (let at = before; at < length; at++) {
    if (bytes[at] !== LF) continue;
    if (!lineIsWhole || bytes[at - 1] === LF || (bytes[at - 1] === CR && bytes[at - 2] === LF)) return true;
  }
  return false;
}

function inspectHead(found: Found, bytes: Uint8Array, length: number): number {
  // Empty lines before the request line are to be ignored (RFC 9112 section 2.2).
  let at = 0;
  while (at < length && (bytes[at] === LF || bytes[at] === CR)) at++;

  const methodStart = at;
  while (at < length && classes[bytes[at]!]! & TOKEN) at++;
  if (at === length) return INCOMPLETE;
  if (bytes[at] !== SP || at === methodStart) return NOT_HTTP;
  const methodLength = at - methodStart;
  found.isHead = methodLength === 4 && isWord(bytes, methodStart, 'HEAD');
  const isConnect = methodLength === 7 && isWord(bytes, methodStart, 'CONNECT');
  at = skipSpaces(bytes, at, length);

  const targetStart = at;
  while (at < length && classes[bytes[at]!]! & TARGET) at++;
  // Judged while it arrives: a wrong form need not be waited out.
  const form = isConnect
    ? readAuthority(found, bytes, targetStart, at)
    : readTarget(found, bytes, targetStart, at, at < length);
  if (form === NOT_HTTP) return NOT_HTTP;
  if (at === length) return INCOMPLETE;
  if (form === INCOMPLETE) return NOT_HTTP;

  if (bytes[at] === CR || bytes[at] === LF) {
    // HTTP/0.9: no version.
    found.refusal ??= 'badRequest';
  } else {
    if (bytes[at] !== SP) return NOT_HTTP;
    at = skipSpaces(bytes, at, length);
    if (at === length) return INCOMPLETE;
    const protocol = bytes[at] === 0x48 ? 0 : bytes[at] === 0x52 ? 1 : 2;
    const name = PROTOCOLS[protocol]!;
    for (let i = 0; i < name.length; i++, at++) {
      if (at === length) return INCOMPLETE;
      if (bytes[at] !== name[i]) return NOT_HTTP;
    }
    const isPreface = protocol === 0 && methodLength === 3 && isWord(bytes, methodStart, 'PRI');
    if (isPreface && at < length && bytes[at] === 0x32)
      return inspectPreface(found, bytes, methodStart, length);
    if (bytes[at] === 0x31 && protocol === 0 && at + 2 < length) {
      // HTTP/1.x, all there.
      if (bytes[at + 1] !== DOT || !isDigit(bytes[at + 2]!)) return NOT_HTTP;
    } else {
      const version = readVersion(bytes, at, length, protocol);
      if (version !== COMPLETE) return version;
      if (protocol !== 0 || bytes[at] !== 0x31) found.refusal ??= 'badRequest';
    }
    at += 3;
  }
  if (at < length && bytes[at] === CR) at++;
  if (at === length) return INCOMPLETE;
  if (bytes[at] !== LF) return NOT_HTTP;
  found.bytes = bytes;
  found.lineEnd = at;

  // The empty line that ends the head; a lone LF ends a line as well (RFC 9112 section 2.2).
  const { name } = found.keys;
  let closes = false;
  let mayGoOn = false;
  let host = 0;
  for (; at < length; at++) {
    if (bytes[at] !== LF) continue;
    // The first counts, as it does for Node's server; and a name in the target before any (RFC 9112 section 3.2.2).
    if (host > 0 && name.end === 0) {
      name.start = host;
      name.end = at;
    }
    const next = bytes[at + 1] === CR && at + 1 < length ? at + 2 : at + 1;
    if (next < length && bytes[next] === LF) {
      found.end = next + 1;
      found.isLast = closes && !mayGoOn;
      return COMPLETE;
    }
    const says = readField(bytes, at + 1);
    if (says === NAMES_SERVER) host ||= hostOf(bytes, at + 1);
    else if (says === CLOSES) closes = true;
    else if (says === ANNOUNCES_BODY || says === DOUBTFUL) mayGoOn = true;
    else if (says === UPGRADES) found.cannotFollow = true;
  }
  return INCOMPLETE;
}

/** `digit.digit`, not all there or not HTTP/1.x: COMPLETE, INCOMPLETE or NOT_HTTP. */
function readVersion(bytes: Uint8Array, start: number, length: number, protocol: number): number {
  for (let i = 0; i < 3; i++) {
    if (start + i >= length) return INCOMPLETE;
    const byte = bytes[start + i]!;
    if (i === 1 ? byte !== DOT : !isDigit(byte)) return NOT_HTTP;
    if (protocol !== 0) continue;
    // Node's parser has 0.9, 1.0, 1.1 and 2.0.
    if (i === 0 && byte > 0x32) return NOT_HTTP;
    if (i === 2 && bytes[start] === 0x30 && byte !== 0x39) return NOT_HTTP;
    if (i === 2 && bytes[start] === 0x32 && byte !== 0x30) return NOT_HTTP;
  }
  return COMPLETE;
}

/** The target of CONNECT (RFC 9112 section 3.2.3): whatever it is, and Node takes it without any, it is not for the head. */
function readAuthority(found: Found, bytes: Uint8Array, start: number, end: number): number {
  found.lacksSlash = false;
  found.isServerWide = false;
  found.refusal = 'notImplemented';
  found.cannotFollow = true;
  return setTarget(found, bytes, start, end);
}

/** Reads a request target (RFC 9112 section 3.2) into `found`: COMPLETE, INCOMPLETE or NOT_HTTP. */
function readTarget(found: Found, bytes: Uint8Array, start: number, end: number, whole: boolean): number {
  found.lacksSlash = false;
  found.isServerWide = false;
  found.refusal = undefined;
  if (start === end) return whole ? NOT_HTTP : INCOMPLETE;
  if (bytes[start] === SLASH) return setTarget(found, bytes, start, end);
  if (bytes[start] === ASTERISK) {
    if (end - start > 1) found.refusal = 'badRequest';
    else found.isServerWide = true;
    return setTarget(found, bytes, end, end);
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
  while (at < end && !endsAuthority(bytes[at]!)) at++;
  if (at === authority) found.refusal = 'badRequest';
  found.keys.name.start = authority;
  found.keys.name.end = at;
  found.lacksSlash = at === end || bytes[at] !== SLASH;
  return setTarget(found, bytes, at, end);
}

/** A fragment is no part of what is asked for, and no client should have sent it (RFC 9110 section 4.2.5). */
function setTarget(found: Found, bytes: Uint8Array, start: number, end: number): number {
  found.targetStart = start;
  found.keys.path.start = start;
  let at = start;
  while (at < end && bytes[at] !== QUESTION && bytes[at] !== HASH) at++;
  found.keys.path.end = at;
  while (at < end && bytes[at] !== HASH) at++;
  found.targetEnd = at;
  return COMPLETE;
}

const endsAuthority = (byte: number): boolean => byte === SLASH || byte === QUESTION || byte === HASH;

function skipSpaces(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  while (at < length && bytes[at] === SP) at++;
  return at;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;

function isWord(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}
