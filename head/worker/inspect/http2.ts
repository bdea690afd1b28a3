/**
 * HTTP/2 without TLS by a client that knows that it will be understood (RFC 9113 section 3.3): it begins with a preface that
 * is a request of its own grammar, which http.ts comes upon. Its first request may follow at once, and then tells whom it is
 * for; a client that waits for the server's word before it asks is not waited for in its turn.
 */
import type { Found } from '../../found.ts';
import { HTTP2 } from '../../refusals.ts';
import { readRequest } from './hpack.ts';
import { COMPLETE, INCOMPLETE, refuse, speaks } from './kind.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME_HEADER = 9;
/** Until a server has said otherwise (RFC 9113 section 6.5.2). */
const FRAME_MAX = 16_384;
/** Bytes from the first one on in which the first request is looked for. */
export const FIRST_REQUEST_BYTES = 16_384;

const HEADERS = 1;
const SETTINGS = 4;
const CONTINUATION = 9;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;
const PRIORITY_BYTES = 5;

/** As a kind's inspection, of bytes whose preface begins at `start`: nothing may stand before it. */
export function inspectPreface(found: Found, bytes: Uint8Array, start: number, length: number): number {
  if (start > 0) return refuse(found, 'not_http', 'badRequest');
  const there = Math.min(length, PREFACE.length);
  for (let at = 0; at < there; at++)
    if (bytes[at] !== PREFACE[at]) return refuse(found, 'not_http', 'badRequest');
  speaks(found, HTTP2);
  found.bytes = bytes;
  found.stream = 0;
  if (there < PREFACE.length) {
    found.needed = PREFACE.length;
    return INCOMPLETE;
  }
  return findRequest(found, bytes, length);
}

/** Frame by frame until the first that begins a request. What breaks the rules is for the server to say. */
function findRequest(found: Found, bytes: Uint8Array, length: number): number {
  for (let at = PREFACE.length, isFirst = true; ; isFirst = false) {
    if (at + FRAME_HEADER > length) return mayWait(found, at + FRAME_HEADER);
    const size = u24(bytes, at);
    const type = bytes[at + 3]!;
    if (size > FRAME_MAX || (isFirst && type !== SETTINGS)) return COMPLETE;
    if (type === HEADERS) return readFirstRequest(found, bytes, at, length);
    at += FRAME_HEADER + size;
  }
}

/** Whether to wait until `needed` bytes are there is for the reader to say, who knows whether it makes a difference. */
function mayWait(found: Found, needed: number): number {
  if (needed > FIRST_REQUEST_BYTES) return COMPLETE;
  found.needed = needed;
  found.isEnough = true;
  return INCOMPLETE;
}

/** The HEADERS at `start`, and the CONTINUATIONs that belong to it. */
function readFirstRequest(found: Found, bytes: Uint8Array, start: number, length: number): number {
  const parts: Uint8Array[] = [];
  const stream = streamOf(bytes, start);
  for (let at = start, isFirst = true; ; isFirst = false) {
    if (at + FRAME_HEADER > length) return mayWait(found, at + FRAME_HEADER);
    const size = u24(bytes, at);
    const flags = bytes[at + 4]!;
    if (size > FRAME_MAX || streamOf(bytes, at) !== stream) return COMPLETE;
    if (!isFirst && bytes[at + 3] !== CONTINUATION) return COMPLETE;
    let from = at + FRAME_HEADER;
    let to = from + size;
    if (to > length) return mayWait(found, to);
    at = to;
    if (isFirst && flags & PADDED) to -= bytes[from++]!;
    if (isFirst && flags & PRIORITY) from += PRIORITY_BYTES;
    if (from > to) return COMPLETE;
    parts.push(bytes.subarray(from, to));
    if (flags & END_HEADERS) return readBlock(found, Buffer.concat(parts), stream);
  }
}

function readBlock(found: Found, block: Buffer, stream: number): number {
  const request = readRequest(block, 0, block.length);
  if (!request) return COMPLETE;
  const { path, authority } = request;
  found.bytes = Buffer.from(path + authority, 'latin1');
  const query = path.search(/[?#]/);
  found.keys.path.end = query < 0 ? path.length : query;
  found.keys.name.start = path.length;
  found.keys.name.end = found.bytes.length;
  found.stream = stream;
  return COMPLETE;
}

const u24 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;

/** Its first bit says nothing. */
const streamOf = (bytes: Uint8Array, at: number): number =>
  ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
