/** What a connection begins with: every kind that is told apart. A new one is a file here and a line below. */
import type { Found } from '../../found.ts';
import { HELLO_BYTES } from './client-hello.ts';
import { http } from './http.ts';
import { FIRST_REQUEST_BYTES } from './http2.ts';
import { forget, INCOMPLETE, type Kind } from './kind.ts';
import { sslV2, tls } from './tls.ts';

/** Bytes that may have to be seen of what is no request head, which has a limit of its own. */
export const INSPECTED_MAX = Math.max(HELLO_BYTES, FIRST_REQUEST_BYTES);

const kinds: readonly Kind[] = [http, tls, sslV2];

/** By the first byte. */
const kindOf: readonly Kind[] = Array.from(
  { length: 256 },
  (_, byte) => kinds.find(({ firstBytes }) => firstBytes !== 'others' && firstBytes.includes(byte)) ?? http,
);

/** Inspects the first `length` bytes; a request head may have `limit` at most: INCOMPLETE, COMPLETE or REFUSED. */
export function inspect(found: Found, bytes: Uint8Array, length: number, limit: number): number {
  forget(found);
  if (length === 0) return INCOMPLETE;
  return kindOf[bytes[0]!]!.inspect(found, bytes, length, limit);
}
