/** TLS: a connection that is handed over before its handshake, by the name of the server that its hello asks for. */
import type { Found } from '../../found.ts';
import { TLS } from '../../refusals.ts';
import {
  ClientHello,
  HELLO_COMPLETE,
  HELLO_INCOMPLETE,
  HELLO_SSLV2,
  HELLO_TOO_LONG,
  judgeSslV2,
} from './client-hello.ts';
import { COMPLETE, INCOMPLETE, type Kind, refuse, speaks } from './kind.ts';

/** A record of type handshake, version 3.x (RFC 8446 section 5.1). */
const HANDSHAKE = 0x16;
const MAJOR_VERSION = 3;

/** What one record of SSL 2.0 begins with that has a hello of up to 511 bytes in it. */
const SSLV2 = [0x80, 0x81];

const hello = new ClientHello();

export const tls: Kind = {
  firstBytes: [HANDSHAKE],
  inspect(found, bytes, length) {
    if (length > 1 && bytes[1] !== MAJOR_VERSION) return refuse(found, 'not_http', 'badRequest');
    speaks(found, TLS);
    const verdict = hello.read(bytes, length);
    if (verdict === HELLO_INCOMPLETE) {
      // The second byte may still tell that it is something else.
      if (length > 1) found.needed = hello.needed;
      return INCOMPLETE;
    }
    if (verdict === HELLO_TOO_LONG) return refuse(found, 'hello_too_large', undefined);
    if (verdict !== HELLO_COMPLETE) return refuse(found, 'bad_hello', 'badRequest');
    return nameServer(found);
  },
};

function nameServer(found: Found): number {
  found.bytes = hello.message;
  found.keys.name.start = hello.name.start;
  found.keys.name.end = hello.name.end;
  return COMPLETE;
}

/** No server speaks it any more (RFC 6176), and its client knows no answer. */
export const sslV2: Kind = {
  firstBytes: SSLV2,
  inspect(found, bytes, length) {
    const verdict = judgeSslV2(bytes, length);
    if (verdict === HELLO_INCOMPLETE) return INCOMPLETE;
    return verdict === HELLO_SSLV2
      ? refuse(found, 'sslv2', undefined)
      : refuse(found, 'not_http', 'badRequest');
  },
};
