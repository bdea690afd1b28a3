/** Why a connection's first bytes led to nothing, and what the head can say to a client instead of serving it. */

/** Names of counts, of the status and of a metric's label. */
export const inspectionFailures = [
  'not_http',
  'head_too_large',
  'too_slow',
  /** The hello of TLS that is none. */
  'bad_hello',
  'hello_too_large',
  'hello_too_slow',
  'sslv2',
  /** Of a client that the head spoke TLS with itself. */
  'handshake_failed',
  /** The client ended its side before its request was complete. */
  'incomplete',
  /** Answered early because the head held as many connections as it may. */
  'crowded',
  /** The client closed or reset before anything could be done for it. */
  'client_gone',
  /** Given back with what an application knows of it, and nobody was left who could go on with that. */
  'unplaced',
  /** Still unserved when the head stopped. */
  'stopped',
] as const;
export type InspectionFailure = (typeof inspectionFailures)[number];

/** What a client speaks, and is answered in. Numbers: they are kept in typed arrays. */
export const HTTP = 0;
export const TLS = 1;
export const HTTP2 = 2;
/** Something in which the head can say nothing: it is handed over, or closed. */
export const OTHER = 3;

/** How to answer a client. */
export interface Voice {
  readonly speaks: number;
  /** It asked by HEAD: an answer has no body. */
  readonly isHead: boolean;
  /** In HTTP/2: of its first request; 0 where that is not known. */
  readonly stream: number;
}

/** Of whom nothing is known is answered as most would understand. */
export const UNHEARD: Voice = { speaks: HTTP, isHead: false, stream: 0 };

/** The answers themselves are in worker/responses.ts. */
export type Refusal =
  | 'badRequest'
  | 'timeout'
  | 'headTooLarge'
  | 'notImplemented'
  | 'unavailable'
  /** Nobody here serves the name that it asks for. */
  | 'misdirected';
