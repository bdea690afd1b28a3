/** What a connection begins with: every kind that is told apart. A new one is a file here and a line below. */
import type { Found } from '../../found.ts';
import { http } from './http.ts';
import { INCOMPLETE, type Kind } from './kind.ts';
import { tls } from './tls.ts';

const kinds: readonly Kind[] = [http, tls];

/** By the first byte. */
const kindOf: readonly Kind[] = Array.from(
  { length: 256 },
  (_, byte) => kinds.find(({ firstBytes }) => firstBytes !== 'others' && firstBytes.includes(byte)) ?? http,
);

/** Inspects the first `length` bytes, of which `limit` may be needed at most: INCOMPLETE, COMPLETE or REFUSED. */
export function inspect(found: Found, bytes: Uint8Array, length: number, limit: number): number {
  found.lineEnd = 0;
  found.isHead = false;
  if (length === 0) return INCOMPLETE;
  return kindOf[bytes[0]!]!.inspect(found, bytes, length, limit);
}
