import { INCOMPLETE, type Kind, refuse } from './kind.ts';

/** A TLS record of type handshake, version 3.x (RFC 8446 section 5.1). */
const HANDSHAKE = 0x16;
const MAJOR_VERSION = 3;

/** TLS: nobody here speaks it, and its client would not understand a plain answer. */
export const tls: Kind = {
  firstBytes: [HANDSHAKE],
  inspect(found, bytes, length) {
    if (length < 2) return INCOMPLETE;
    return bytes[1] === MAJOR_VERSION
      ? refuse(found, 'tls', undefined)
      : refuse(found, 'not_http', 'badRequest');
  },
};
