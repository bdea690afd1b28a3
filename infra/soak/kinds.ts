/** What visitors of a soak do: several kinds, each its share of the visits that are begun. */

export interface VisitKind {
  readonly name: string;
  /** Of all visits. The shares add up to 1. */
  readonly share: number;
  readonly scheme: 'http' | 'https' | 'ws';
  readonly path: string;
  /** One after the other on one connection. Default 1. */
  readonly requests?: number;
  /** On a WebSocket. Default 1. */
  readonly messages?: number;
  readonly resume?: boolean;
}

export const visitKinds: readonly VisitKind[] = [
  { name: 'short', share: 0.5, scheme: 'http', path: '/bytes/100' },
  { name: 'kept alive', share: 0.2, scheme: 'http', path: '/bytes/1000', requests: 5 },
  { name: 'large', share: 0.08, scheme: 'http', path: '/bytes/200000' },
  { name: 'TLS', share: 0.05, scheme: 'https', path: '/bytes/1000' },
  { name: 'TLS resumed', share: 0.05, scheme: 'https', path: '/bytes/1000', resume: true },
  { name: 'WebSocket', share: 0.08, scheme: 'ws', path: '/', messages: 5 },
  // Two seconds each, so that some are there whenever something breaks.
  { name: 'events', share: 0.04, scheme: 'http', path: '/events/20/100' },
];
