/** Why a connection's first bytes led to nothing, and what the head can say to a client instead of serving it. */

/** Names of counts, of the status and of a metric's label. */
export const inspectionFailures = [
  'not_http',
  'head_too_large',
  'too_slow',
  'tls',
  'http2',
  /** The client ended its side before its request was complete. */
  'incomplete',
  /** Answered early because the head held as many connections as it may. */
  'crowded',
  /** The client closed or reset before anything could be done for it. */
  'client_gone',
  /** Still unserved when the head stopped. */
  'stopped',
] as const;
export type InspectionFailure = (typeof inspectionFailures)[number];

/** The answers themselves are in worker/responses.ts. */
export type Refusal = 'badRequest' | 'timeout' | 'headTooLarge' | 'notImplemented' | 'unavailable';
