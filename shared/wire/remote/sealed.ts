/**
 * Records on a plain TCP connection that only who has the keys can write or read: ChaCha20-Poly1305 (RFC 8439) with a key of
 * its own for each direction, which was exported from a link's TLS (RFC 8446 section 7.5), and a number for each record that is
 * counted and never sent. One that is changed, left out, repeated, or out of its order has another number than the one that it is
 * opened with, and does not open. Numbers begin with 0, and keys are of one connection: none is used twice. The cipher has no
 * bound on records that could be reached (RFC 9001 section 6.6), so keys are not changed.
 *
 *     record: length (32 bits, big-endian) of what follows: the sealed bytes and 16 bytes that prove them and the length
 */
import { hkdfSync } from 'node:crypto';
import { BatonError } from '../../errors.ts';
import { type Aead, createAead, KEY_SIZE, NONCE_SIZE, PROOF_SIZE } from '../../sys/aead.ts';

const HEADER = 4;
/** Sealed bytes of one record, at most. */
export const RECORD_MAX = 256 * 1024;
/** A record with its header. */
export const SEALED_MAX = HEADER + RECORD_MAX + PROOF_SIZE;
/** An empty one. */
export const SEALED_LEAST = HEADER + PROOF_SIZE;

export interface LaneKeys {
  readonly toHead: Uint8Array;
  readonly toDelivery: Uint8Array;
}

/** `secret`: of the link; `index`: of the lane among the link's. */
export function laneKeys(secret: Uint8Array, index: number): LaneKeys {
  const key = (direction: string) =>
    Buffer.from(hkdfSync('sha256', secret, '', `baton lane ${index} ${direction}`, KEY_SIZE));
  return { toHead: key('to head'), toDelivery: key('to delivery') };
}

/** What a link is called in the clear by who opens its lanes: it tells nothing of the secret. */
export const linkNameOf = (secret: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', 'baton link name', 16));

/** The number of a record, below 2^53, as the last 8 bytes of a nonce. */
class Numbers {
  readonly #nonce = Buffer.alloc(NONCE_SIZE);
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  advance(): Buffer {
    this.#nonce.writeUInt32BE(Math.floor(this.#next / 2 ** 32), 4);
    this.#nonce.writeUInt32BE(this.#next % 2 ** 32, 8);
    this.#next++;
    return this.#nonce;
  }
}

export class Sealer {
  readonly #aead: Aead;
  readonly #numbers = new Numbers(0);

  constructor(key: Uint8Array) {
    this.#aead = createAead(key, RECORD_MAX);
  }

  /** Writes `bytes` as a record into `into` from `at` on; how long that is. `also`: what is proved with it, and not sent. */
  seal(bytes: Uint8Array, into: Buffer, at: number, also?: Uint8Array): number {
    const length = bytes.length + PROOF_SIZE;
    into.writeUInt32BE(length, at);
    const header = into.subarray(at, at + HEADER);
    this.#aead.seal(this.#numbers.advance(), proved(header, also), bytes, into, at + HEADER);
    return HEADER + length;
  }
}

const proved = (header: Uint8Array, also: Uint8Array | undefined): Uint8Array =>
  also ? Buffer.concat([also, header]) : header;

export class Opener {
  readonly #aead: Aead;
  readonly #numbers: Numbers;

  /** `opened`: records that were opened already, elsewhere. */
  constructor(key: Uint8Array, opened = 0) {
    this.#aead = createAead(key, RECORD_MAX);
    this.#numbers = new Numbers(opened);
  }

  /** What a whole record says. Throws PROTOCOL: it is not what the other side wrote, or not the next. */
  open(record: Buffer, also?: Uint8Array): Buffer {
    const header = record.subarray(0, HEADER);
    const bytes = this.#aead.open(this.#numbers.advance(), proved(header, also), record.subarray(HEADER));
    if (!bytes) throw new BatonError('PROTOCOL', { problem: 'a record that the other side did not write' });
    return bytes;
  }
}

/** The length of the record that begins at `at`, of what has come so far (`end`); 0 while its header is not there. Throws PROTOCOL. */
export function recordLength(bytes: Buffer, at: number, end: number): number {
  if (end - at < HEADER) return 0;
  const length = bytes.readUInt32BE(at);
  if (length < PROOF_SIZE || length > RECORD_MAX + PROOF_SIZE)
    throw new BatonError('PROTOCOL', { problem: `a record of ${length} bytes` });
  return HEADER + length;
}
