/**
 * HTTP/2 without TLS by a client that knows that it will be understood (RFC 9113 section 3.3): it begins with a preface that
 * is a request of its own grammar, which http.ts comes upon.
 */
import type { Found } from '../../found.ts';
import { HTTP2 } from '../../refusals.ts';
import { COMPLETE, INCOMPLETE, refuse, speaks } from './kind.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

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
  return COMPLETE;
}
