/** What the head says, where it can not serve, to clients that speak something else than HTTP/1.x: fixed bytes. */
import type { Refusal } from '../refusals.ts';

// --- TLS: a fatal alert before any handshake, in plain text (RFC 8446 section 6) ---

const alert = (description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, 2, description]);
const NOTHING = Buffer.alloc(0);
const DECODE_ERROR = alert(50);
const INTERNAL_ERROR = alert(80);
/** RFC 6066 section 3. */
const UNRECOGNIZED_NAME = alert(112);

export const tlsAlerts: Readonly<Record<Refusal, Buffer>> = {
  badRequest: DECODE_ERROR,
  // Whoever is too slow, or says too much, is closed.
  timeout: NOTHING,
  headTooLarge: NOTHING,
  notImplemented: INTERNAL_ERROR,
  unavailable: INTERNAL_ERROR,
  misdirected: UNRECOGNIZED_NAME,
};

// --- HTTP/2: a server's preface, an answer where there is a request, and GOAWAY (RFC 9113) ---

const HEADERS = 1;
const SETTINGS = 4;
const GOAWAY = 7;
const END_STREAM_AND_HEADERS = 0x5;
const NO_ERROR = 0;
const PROTOCOL_ERROR = 1;
const INTERNAL_H2_ERROR = 2;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** `:status` is the eighth of HPACK's static table; the value is written out (RFC 7541 section 6.2.2). */
const status = (code: number): Buffer => Buffer.concat([Buffer.from([0x08, 3]), Buffer.from(String(code))]);

function goAwayFrame(lastStream: number, error: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(error, 4);
  return frame(GOAWAY, 0, 0, payload);
}

/** `stream`: of the client's first request; 0 when it has not come: whoever asks then is told that nobody has heard it. */
export function goAway(kind: Refusal, stream: number): Buffer {
  const settings = frame(SETTINGS, 0, 0, NOTHING);
  const code = kind === 'misdirected' ? 421 : kind === 'unavailable' ? 503 : 0;
  if (code === 0 || stream === 0) {
    const error = kind === 'badRequest' ? PROTOCOL_ERROR : kind === 'timeout' ? NO_ERROR : INTERNAL_H2_ERROR;
    return Buffer.concat([settings, goAwayFrame(0, error)]);
  }
  const answer = frame(HEADERS, END_STREAM_AND_HEADERS, stream, status(code));
  return Buffer.concat([settings, answer, goAwayFrame(stream, NO_ERROR)]);
}
