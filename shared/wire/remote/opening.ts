/**
 * How a lane is opened: its first bytes say which link and which lane, in the clear, and a record proves that who says so has the
 * key (sealed.ts). TLS begins otherwise (RFC 8446 section 5.1: 22), so both come to the same port.
 */
import { Opener, SEALED_LEAST, type Sealer } from './sealed.ts';

const MAGIC = Buffer.from('baton-ln');
const NAME_SIZE = 16;
const NAME_AT = MAGIC.length;
const INDEX_AT = NAME_AT + NAME_SIZE;
const RECORD_AT = INDEX_AT + 2;
export const OPENING_SIZE = RECORD_AT + SEALED_LEAST;

/** No handshake of TLS begins so. */
export const isOpening = (bytes: Uint8Array): boolean => bytes[0] === MAGIC[0];

/** `name`: of the link. `sealer`: of the lane, and new. */
export function writeOpening(name: Uint8Array, index: number, sealer: Sealer): Buffer {
  const bytes = Buffer.alloc(OPENING_SIZE);
  MAGIC.copy(bytes, 0);
  bytes.set(name, NAME_AT);
  bytes.writeUInt16BE(index, INDEX_AT);
  sealer.seal(Buffer.alloc(0), bytes, RECORD_AT, bytes.subarray(0, RECORD_AT));
  return bytes;
}

/** Undefined for what is no opening. */
export function readOpening(bytes: Buffer): { readonly name: string; readonly index: number } | undefined {
  if (bytes.length !== OPENING_SIZE || !bytes.subarray(0, NAME_AT).equals(MAGIC)) return undefined;
  const name = bytes.toString('latin1', NAME_AT, INDEX_AT);
  return { name, index: bytes.readUInt16BE(INDEX_AT) };
}

/** Whether who has written it has the key. */
export function isProved(bytes: Buffer, key: Uint8Array): boolean {
  if (bytes.readUInt32BE(RECORD_AT) !== SEALED_LEAST - 4) return false;
  try {
    new Opener(key).open(bytes.subarray(RECORD_AT), bytes.subarray(0, RECORD_AT));
    return true;
  } catch {
    return false;
  }
}
