/**
 * Messages on a lane: the socket between one worker of the head and one delivery over which connections travel.
 * They are MessagePack arrays of unsigned integers, read and written by hand because they pass once a connection:
 * no object is made for them. PROTOCOL.md describes them for other languages.
 */

/** Head to delivery, with `count` fds: connections `first`, `first + 1`, ... (ids count modulo 2^32). */
export const CONNECTIONS = 1;
/** Delivery to head: these are mine now; close your copies. */
export const TAKEN = 2;
/** Delivery to head: I cannot take these; my copies are closed, give them to another. */
export const RETURNED = 3;
/** Delivery to head: `count` connections that I had taken have ended. `first` is absent. */
export const ENDED = 4;

/** Head to delivery, with one fd: as CONNECTIONS, with what its application needs to go on with it (bin) where the count is. */
export const STATED = 5;

/** No lane message but STATED is longer: an array of three integers of at most 5 bytes, with room to grow. */
export const LANE_MESSAGE_MAX = 64;

/** `[kind, first, count]`; its length in bytes. */
export function writeRange(into: Uint8Array, kind: number, first: number, count: number): number {
  into[0] = 0x93;
  into[1] = kind;
  return writeUint(into, writeUint(into, 2, first >>> 0), count);
}

/** `[ENDED, count]`; its length in bytes. */
export function writeEnded(into: Uint8Array, count: number): number {
  into[0] = 0x92;
  into[1] = ENDED;
  return writeUint(into, 2, count);
}

/** MessagePack's shortest form of an unsigned integer below 2^32; where it ends. */
export function writeUint(into: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    into[at] = value;
    return at + 1;
  }
  into[at] = 0xce;
  into[at + 1] = value >>> 24;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 8;
  into[at + 4] = value;
  return at + 5;
}

/** What readLane found; one object, overwritten by each call. */
export const laneMessage = { kind: 0, first: 0, count: 0 };

let position = 0;

/** Where the last read has ended. */
export { position as readPosition };

/** Reads one lane message into `laneMessage`; false for anything that is not exactly one. */
export function readLane(from: Uint8Array, length: number): boolean {
  if (length < 3 || length > LANE_MESSAGE_MAX) return false;
  const elements = readArrayHeader(from, length);
  const kind = readUint(from, length);
  if (kind === ENDED ? elements !== 2 : elements !== 3 || kind < CONNECTIONS || kind > RETURNED) return false;
  laneMessage.kind = kind;
  laneMessage.first = kind === ENDED ? 0 : readUint(from, length);
  laneMessage.count = readUint(from, length);
  return laneMessage.first >= 0 && laneMessage.count > 0 && position === length;
}

/** The number of elements; negative for what is no array. */
export function readArrayHeader(from: Uint8Array, length: number): number {
  const head = from[0]!;
  const width = head === 0xdc ? 2 : head === 0xdd ? 4 : 0;
  position = 1;
  return width === 0 ? head - 0x90 : readBytes(from, length, width);
}

/** Any of MessagePack's integers; -1 for what is none, and for one below 0 or above 2^32 - 1. */
export function readUint(from: Uint8Array, length: number): number {
  if (position >= length) return -1;
  const head = from[position++]!;
  if (head < 0x80) return head;
  // uint 8 to 64 are 0xcc to 0xcf, int 8 to 64 the four after them.
  if (head < 0xcc || head > 0xd3) return -1;
  const isNegative = head >= 0xd0 && position < length && from[position]! >= 0x80;
  const value = readBytes(from, length, 1 << (head & 3));
  return isNegative || value > 0xffffffff ? -1 : value;
}

/** Big-endian; -1 when they are not all there. */
function readBytes(from: Uint8Array, length: number, width: number): number {
  if (position + width > length) return -1;
  let value = 0;
  for (const end = position + width; position < end; position++) value = value * 256 + from[position]!;
  return value;
}

/** A copy of MessagePack's bin of at most `most` bytes; undefined for what is none. */
export function readBin(from: Uint8Array, length: number, most: number): Uint8Array | undefined {
  const head = position < length ? from[position++]! : 0;
  if (head < 0xc4 || head > 0xc6) return undefined;
  const size = readBytes(from, length, 1 << (head - 0xc4));
  if (size < 0 || size > most || position + size > length) return undefined;
  const start = position;
  position += size;
  return Uint8Array.prototype.slice.call(from, start, position);
}

/** `[STATED, id, state]`; its length in bytes. */
export function writeStated(into: Uint8Array, id: number, state: Uint8Array): number {
  into[0] = 0x93;
  into[1] = STATED;
  return writeBin(into, writeUint(into, 2, id >>> 0), state);
}

/** Undefined for anything that is not exactly one. */
export function readStated(
  from: Uint8Array,
  length: number,
  most: number,
): { readonly id: number; readonly state: Uint8Array } | undefined {
  if (length < 4 || readArrayHeader(from, length) !== 3 || readUint(from, length) !== STATED)
    return undefined;
  const id = readUint(from, length);
  const state = id < 0 ? undefined : readBin(from, length, most);
  return state && position === length ? { id, state } : undefined;
}

/** MessagePack's bin 16. */
export function writeBin(into: Uint8Array, at: number, bytes: Uint8Array): number {
  into[at] = 0xc5;
  into[at + 1] = bytes.length >>> 8;
  into[at + 2] = bytes.length & 0xff;
  into.set(bytes, at + 3);
  return at + 3 + bytes.length;
}
