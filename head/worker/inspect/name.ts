/**
 * The name of the server that a client asks for, as deliveries declare it: lower case, no port, no dot at the end. An
 * address is no name: a client that connects to one asks for nobody in particular.
 */
import type { Found } from '../../found.ts';
import { TLS } from '../../refusals.ts';

const AT = 0x40;
const COLON = 0x3a;
const CR = 0x0d;
const DOT = 0x2e;
const BRACKET = 0x5b;
const SP = 0x20;
const TAB = 0x09;

/** DNS bounds a name at 253 characters; what is longer is nobody's. */
const NAME_MAX = 255;

/** The name that a client asks for; worked out when somebody wants to know it. */
export function serverName(found: Found): string {
  const { start, end } = found.keys.name;
  found.name ??=
    found.speaks === TLS ? nameIn(found.bytes, start, end) : nameInAuthority(found.bytes, start, end);
  return found.name;
}

/** Of the authority (RFC 3986 section 3.2, `user@host:port`) from `start` to `end`, with space and a CR around it; empty for none. */
export function nameInAuthority(bytes: Uint8Array, start: number, end: number): string {
  let to = end;
  while (to > start && isSpace(bytes[to - 1]!)) to--;
  let from = start;
  while (from < to && isSpace(bytes[from]!)) from++;
  for (let at = from; at < to; at++) if (bytes[at] === AT) from = at + 1;
  if (bytes[from] === BRACKET) return '';
  let port = to;
  while (port > from && isDigit(bytes[port - 1]!)) port--;
  if (port > from && bytes[port - 1] === COLON) to = port - 1;
  return nameIn(bytes, from, to);
}

/** The name from `start` to `end`; empty for none, and for an address. */
export function nameIn(bytes: Uint8Array, start: number, end: number): string {
  const to = end > start && bytes[end - 1] === DOT ? end - 1 : end;
  if (to - start > NAME_MAX || isAddress(bytes, start, to)) return '';
  let name = '';
  for (let at = start; at < to; at++) {
    const byte = bytes[at]!;
    // A to Z alone, whatever else is in it.
    name += String.fromCharCode(byte > 0x40 && byte < 0x5b ? byte | 0x20 : byte);
  }
  return name;
}

/** A colon makes it one of IPv6; a number at the end one of IPv4, as in URLs: no name of DNS ends so. */
function isAddress(bytes: Uint8Array, start: number, end: number): boolean {
  let at = end;
  while (at > start && isDigit(bytes[at - 1]!)) at--;
  if (at < end && (at === start || bytes[at - 1] === DOT)) return true;
  for (at = start; at < end; at++) if (bytes[at] === COLON) return true;
  return false;
}

const isDigit = (byte: number): boolean => byte > 0x2f && byte < COLON;
const isSpace = (byte: number): boolean => byte === SP || byte === TAB || byte === CR;
