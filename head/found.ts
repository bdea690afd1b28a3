/**
 * What the inspection of a connection's first bytes has found. Whoever inspects makes one object and overwrites it each
 * time; it is passed to whoever acts on it, and means nothing after that. Offsets are into `bytes`.
 */
import { HTTP, type InspectionFailure, type Refusal } from './refusals.ts';

/** What the first bytes can tell that a policy may choose by: a part of them. */
export type FoundKey = 'path' | 'name';

/** A part of the bytes: from `start` to before `end`. */
interface Span {
  start: number;
  end: number;
}

export interface Found {
  /** What was inspected. */
  bytes: Uint8Array;
  /** `name`: where the server's name stands, as it was sent, with a port or not (`worker/inspect/name.ts` reads it). */
  readonly keys: Readonly<Record<FoundKey, Span>>;
  /** The server's name once somebody has asked for it. */
  name: string | undefined;
  /** What its client speaks and is answered in: HTTP, TLS or HTTP2 of refusals.ts. */
  speaks: number;
  /** After INCOMPLETE: before there are so many bytes another inspection can tell nothing; 0: each may tell something. */
  needed: number;
  /** INCOMPLETE, and it may be acted on all the same: more can only tell more of what to choose by. */
  isEnough: boolean;
  /** When it is refused: what that is counted under, and what the client is told; nothing where it would not understand. */
  failure: InspectionFailure;
  answer: Refusal | undefined;
  /** Its client could follow no redirect: TLS and HTTP/2, a CONNECT, an upgrade. */
  cannotFollow: boolean;
  /** What the head answers where it can not hand it over: no Location would lead to what was asked for. */
  refusal: Refusal | undefined;
  /** By what it has said the client sends nothing more on this connection. */
  isLast: boolean;

  // Of a request. After INCOMPLETE, what the request line tells is there once `lineEnd` is not 0.

  /** Where the line feed of the request line is. */
  lineEnd: number;
  /** One past the empty line that ends the head. */
  end: number;
  /** Path and query of the target, start and end; empty for `*` and for an absolute form without a path. */
  targetStart: number;
  targetEnd: number;
  /** The target names a query but no path (`http://host?q`): a "/" belongs before it. */
  lacksSlash: boolean;
  /** `*`: the server as a whole (OPTIONS). */
  isServerWide: boolean;
  isHead: boolean;
  /** HTTP/2: the first request's. */
  stream: number;
}

export const createFound = (): Found => ({
  bytes: new Uint8Array(0),
  keys: { path: { start: 0, end: 0 }, name: { start: 0, end: 0 } },
  name: undefined,
  speaks: HTTP,
  needed: 0,
  isEnough: false,
  failure: 'not_http',
  answer: undefined,
  cannotFollow: false,
  refusal: undefined,
  isLast: false,
  lineEnd: 0,
  end: 0,
  targetStart: 0,
  targetEnd: 0,
  lacksSlash: false,
  isServerWide: false,
  isHead: false,
  stream: 0,
});
