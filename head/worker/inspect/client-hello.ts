/**
 * The first flight of a TLS client, judged while it arrives: records (RFC 8446 section 5.1) of which the ClientHello (section
 * 4.1.2; RFC 5246 section 7.4.1.2 for what is older) may fill several, and of its extensions those that tell whom it is for.
 * Pure, on bytes that stay in the socket: whoever gets the connection reads all of it again and speaks TLS.
 *
 * Called again with more bytes it begins anew, and says how many it needs before another call can tell more: so a hello
 * costs by its length and its records, not by the packets that it comes in. A wrong byte is found by the first call that
 * sees it, a wrong length as soon as it is there.
 */

export const HELLO_INCOMPLETE = 0;
export const HELLO_COMPLETE = 1;
export const HELLO_MALFORMED = 2;
export const HELLO_TOO_LONG = 3;
/** The hello of SSL 2.0, or one in its form (RFC 6176). */
export const HELLO_SSLV2 = 4;

const HANDSHAKE = 22;
const MAJOR_VERSION = 3;
const CLIENT_HELLO = 1;
const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
/** RFC 8446 section 5.1. */
const RECORD_MAX = 1 << 14;
/** As BoringSSL and nginx have it; today's are 0.3 to 2 kB. */
const MESSAGE_MAX = 16_384;
/** Records that one hello may be cut into. */
const RECORDS_MAX = 128;
/** Bytes that may have to be seen for a verdict. */
export const HELLO_BYTES = MESSAGE_HEADER + MESSAGE_MAX + RECORDS_MAX * RECORD_HEADER;

const SERVER_NAME = 0;
const ALPN = 16;
const PRE_SHARED_KEY = 41;
const SUPPORTED_VERSIONS = 43;
const HOST_NAME = 0;
/** A DNS name, as OpenSSL and BoringSSL bound it. */
const NAME_MAX = 255;
const RANDOM_BYTES = 32;
const SESSION_ID_MAX = 32;

/** RFC 8701: 0x0a0a, 0x1a1a, ... are sent so that nobody comes to rely on there being no others. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

/** A part of `message`: from `start` to before `end`. */
interface Part {
  start: number;
  end: number;
}

/** One for each thread, which reads one hello after the other. */
export class ClientHello {
  /** After HELLO_INCOMPLETE: bytes, from the first one on, before which another call can tell nothing. */
  needed = 0;
  /** What the parts point into: what was read, or the records' contents joined. Good until the next call. */
  message: Uint8Array;
  /** The name as it was sent; empty where there is none. */
  readonly name: Part = { start: 0, end: 0 };
  readonly #alpn: Part = { start: 0, end: 0 };
  readonly #versions: Part = { start: 0, end: 0 };
  #legacyVersion = 0;
  readonly #joined = new Uint8Array(MESSAGE_HEADER + MESSAGE_MAX);
  /** By extension: the number of the last hello that had it. */
  readonly #seen = new Uint32Array(1 << 16);
  #number = 0;

  constructor() {
    this.message = this.#joined;
  }

  /** Judges the first `length` of `bytes`, the first of which is that of a handshake record. */
  read(bytes: Uint8Array, length: number): number {
    this.#forget();
    let at = 0;
    let joined = 0;
    let total = -1;
    for (let records = 1; ; records++) {
      if (at < length && bytes[at] !== HANDSHAKE) return HELLO_MALFORMED;
      if (at + 1 < length && bytes[at + 1] !== MAJOR_VERSION) return HELLO_MALFORMED;
      if (at + RECORD_HEADER > length) return this.#need(at + RECORD_HEADER);
      const size = (bytes[at + 3]! << 8) | bytes[at + 4]!;
      // A handshake record is never empty (RFC 8446 section 5.1).
      if (size === 0 || size > RECORD_MAX) return HELLO_MALFORMED;
      if (records > RECORDS_MAX) return HELLO_TOO_LONG;
      at += RECORD_HEADER;
      const here = Math.min(size, length - at);
      const before = joined;
      joined += here;
      const start = this.#join(bytes, at, here, records, before, size);
      if (joined > 0 && this.message[start] !== CLIENT_HELLO) return HELLO_MALFORMED;
      if (total < 0 && joined >= MESSAGE_HEADER) {
        total = MESSAGE_HEADER + u24(this.message, start + 1);
        if (total > MESSAGE_HEADER + MESSAGE_MAX) return HELLO_TOO_LONG;
      }
      if (total >= 0) {
        const verdict = this.#readMessage(start, start + Math.min(joined, total), start + total);
        if (verdict !== HELLO_INCOMPLETE) return verdict;
      }
      // What follows the hello in its last record is not waited for.
      if (here < size) return this.#need(at + (total < 0 ? size : Math.min(size, total - before)));
      at += size;
    }
  }

  #forget(): void {
    this.name.start = this.name.end = 0;
    this.#alpn.start = this.#alpn.end = 0;
    this.#versions.start = this.#versions.end = 0;
    this.#legacyVersion = 0;
  }

  #need(bytes: number): number {
    this.needed = bytes;
    return HELLO_INCOMPLETE;
  }

  /** Makes `count` bytes at `at` the next of the message; where the message starts. That of one record stays where it is. */
  #join(
    bytes: Uint8Array,
    at: number,
    count: number,
    records: number,
    before: number,
    first: number,
  ): number {
    if (records === 1) {
      this.message = bytes;
      this.#firstAt = at;
      this.#firstSize = first;
      return at;
    }
    if (records === 2) {
      this.#copy(bytes, this.#firstAt, this.#firstSize, 0);
      this.message = this.#joined;
    }
    this.#copy(bytes, at, count, before);
    return 0;
  }
  #firstAt = 0;
  #firstSize = 0;

  /** What is beyond the longest message is none of the hello. */
  #copy(bytes: Uint8Array, at: number, count: number, to: number): void {
    const fits = Math.min(count, this.#joined.length - to);
    for (let i = 0; i < fits; i++) this.#joined[to + i] = bytes[at + i]!;
  }

  /** The message from its type on, of which bytes before `there` have come, and which ends at `end`. */
  #readMessage(start: number, there: number, end: number): number {
    const { message } = this;
    let at = start + MESSAGE_HEADER;
    if (at + 2 + RANDOM_BYTES + 1 > end) return HELLO_MALFORMED;
    if (at < there && message[at] !== MAJOR_VERSION) return HELLO_MALFORMED;
    if (at + 2 > there) return HELLO_INCOMPLETE;
    this.#legacyVersion = u16(message, at);
    at += 2 + RANDOM_BYTES;

    if (at >= there) return HELLO_INCOMPLETE;
    const session = message[at]!;
    at += 1 + session;
    if (session > SESSION_ID_MAX || at + 2 > end) return HELLO_MALFORMED;

    if (at + 2 > there) return HELLO_INCOMPLETE;
    const ciphers = u16(message, at);
    at += 2 + ciphers;
    if (ciphers === 0 || ciphers % 2 !== 0 || at + 1 > end) return HELLO_MALFORMED;

    if (at >= there) return HELLO_INCOMPLETE;
    const compressions = message[at]!;
    at += 1 + compressions;
    if (compressions === 0 || at > end) return HELLO_MALFORMED;

    // Before TLS 1.3 there need be no extensions.
    if (at === end) return there === end ? HELLO_COMPLETE : HELLO_INCOMPLETE;
    if (at + 2 > end) return HELLO_MALFORMED;
    if (at + 2 > there) return HELLO_INCOMPLETE;
    if (at + 2 + u16(message, at) !== end) return HELLO_MALFORMED;
    return this.#readExtensions(at + 2, there, end);
  }

  #readExtensions(start: number, there: number, end: number): number {
    const { message } = this;
    if (this.#number === 0xffffffff) {
      this.#seen.fill(0);
      this.#number = 0;
    }
    this.#number++;
    let at = start;
    let isLast = false;
    while (at < end) {
      if (isLast || at + 4 > end) return HELLO_MALFORMED;
      if (at + 4 > there) return HELLO_INCOMPLETE;
      const type = u16(message, at);
      const bodyEnd = at + 4 + u16(message, at + 2);
      at += 4;
      if (bodyEnd > end || this.#seen[type] === this.#number) return HELLO_MALFORMED;
      this.#seen[type] = this.#number;
      // It binds all that stands before it (RFC 8446 section 4.2.11).
      isLast = type === PRE_SHARED_KEY;
      if (type === SERVER_NAME || type === ALPN || type === SUPPORTED_VERSIONS) {
        if (bodyEnd > there) return HELLO_INCOMPLETE;
        if (!this.#readExtension(type, at, bodyEnd)) return HELLO_MALFORMED;
      }
      at = bodyEnd;
    }
    return there === end ? HELLO_COMPLETE : HELLO_INCOMPLETE;
  }

  /** Whether an extension of ours is well formed. */
  #readExtension(type: number, start: number, end: number): boolean {
    if (type === SERVER_NAME) return this.#readServerName(start, end);
    const { message } = this;
    if (type === SUPPORTED_VERSIONS) {
      const size = end - start - 1;
      if (size < 2 || size % 2 !== 0 || message[start] !== size) return false;
      this.#versions.start = start + 1;
      this.#versions.end = end;
      return true;
    }
    // ProtocolNameList (RFC 7301 section 3.1): names of 1 to 255 bytes.
    if (end - start < 4 || u16(message, start) !== end - start - 2) return false;
    let at = start + 2;
    while (at < end) {
      if (message[at] === 0) return false;
      at += 1 + message[at]!;
    }
    if (at !== end) return false;
    this.#alpn.start = start + 2;
    this.#alpn.end = end;
    return true;
  }

  /** One name, a host's (RFC 6066 section 3): there never was another type, and servers take no second name. */
  #readServerName(start: number, end: number): boolean {
    const { message } = this;
    if (end - start < 6 || u16(message, start) !== end - start - 2) return false;
    const size = u16(message, start + 3);
    if (message[start + 2] !== HOST_NAME || size !== end - start - 5 || size > NAME_MAX) return false;
    for (let at = start + 5; at < end; at++) if (message[at] === 0) return false;
    this.name.start = start + 5;
    this.name.end = end;
    return true;
  }

  /** After HELLO_COMPLETE: the protocols that the client offers over TLS, without what is only there to be ignored. */
  alpn(): string[] {
    const { message } = this;
    const names: string[] = [];
    for (let at = this.#alpn.start; at < this.#alpn.end; at += 1 + message[at]!) {
      const size = message[at]!;
      if (size === 2 && isGrease(u16(message, at + 1))) continue;
      names.push(Buffer.from(message.subarray(at + 1, at + 1 + size)).toString('latin1'));
    }
    return names;
  }

  /** After HELLO_COMPLETE: the versions of TLS that the client speaks, 0x0304 is 1.3. */
  versions(): number[] {
    const { start, end } = this.#versions;
    if (start === end) return [this.#legacyVersion];
    const versions: number[] = [];
    for (let at = start; at < end; at += 2) {
      const version = u16(this.message, at);
      if (!isGrease(version)) versions.push(version);
    }
    return versions;
  }
}

/** What begins with a byte above 127: HELLO_SSLV2, HELLO_INCOMPLETE, or HELLO_MALFORMED where it is something else. */
export function judgeSslV2(bytes: Uint8Array, length: number): number {
  // Two bytes of length, the type, the version (draft-hickman-netscape-ssl-00).
  if (length > 2 && bytes[2] !== CLIENT_HELLO) return HELLO_MALFORMED;
  if (length > 3 && bytes[3] !== 0 && bytes[3] !== MAJOR_VERSION) return HELLO_MALFORMED;
  return length < 5 ? HELLO_INCOMPLETE : HELLO_SSLV2;
}

const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
const u24 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 16) | u16(bytes, at + 1);
