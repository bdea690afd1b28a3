/**
 * Tests of other people that pass directly and not through a head, each with its reason: what a head is. docs/suites.md
 * explains the reasons; a run fails when a test differs that is not here, and when one that is here passes.
 */

/** The first request's head is read before a delivery is chosen: until it is complete the server knows of nobody. */
const WAITS = 'the connection stays with the head until a request head is complete';
/** A server of our own would be asked; the head answers in its place, with its own words. */
const REFUSES = 'what is no HTTP request is answered by the head and does not reach the server';
/** The head's --head-timeout, not the server's own timeouts. */
const TIMES = 'how long a first request head may take is the head’s to say (--head-timeout)';
/** The server of the test tells TLS and plain HTTP apart by the first byte, on one port. */
const TLS = 'a head is for plain HTTP and closes what begins with a TLS handshake';
const LISTENS = 'receiveConnections listens to events of its server, and the test counts listeners';

export const expectedDifferences: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  node: {
    'test-http-header-overflow.js': WAITS,
    'test-http-parser-timeout-reset.js': WAITS,
    'test-http-server-close-all.js': WAITS,
    'test-http-server-close-idle.js': WAITS,
    'test-http-socket-encoding-error.js': WAITS,
    'test-http-max-http-headers.js': REFUSES,
    'test-http-odd-hex-write.js': REFUSES,
    'test-http-parser-finish-error.js': REFUSES,
    'test-http-server-client-error.js': REFUSES,
    'test-http-server-destroy-socket-on-client-error.js': REFUSES,
    'test-http-socket-error-listeners.js': REFUSES,
    'test-http-server-headers-timeout-delayed-headers.js': TIMES,
    'test-http-server-headers-timeout-interrupted-headers.js': TIMES,
    'test-http-server-request-timeout-delayed-headers.js': TIMES,
    'test-http-server-request-timeout-interrupted-headers.js': TIMES,
  },
  express: {},
  ws: {
    "WebSocketServer close emits the 'close' event after the server closes": WAITS,
    'WebSocketServer close cleans event handlers on precreated server': LISTENS,
    "WebSocket Connection establishing When moving away from a secure context If there is no 'redirect' event listener drops the `auth` option":
      TLS,
    "WebSocket Connection establishing When moving away from a secure context If there is no 'redirect' event listener drops the Authorization and Cookie headers":
      TLS,
    "WebSocket Connection establishing When moving away from a secure context If there is at least one 'redirect' event listener does not drop any headers by default":
      TLS,
  },
  koa: {},
};

const UNREF = 'the receiver keeps the process alive after server.unref()';

/** Faults of Baton that these tests have found and that are not fixed: whoever fixes one takes it from here. */
export const knownFaults: typeof expectedDifferences = {
  node: {
    'test-http-parser-freed-during-execute.js': UNREF,
    'test-http-req-close-robust-from-tampering.js': UNREF,
    'test-http-request-method-delete-payload.js': UNREF,
    'test-http-server-delete-parser.js': UNREF,
    'test-http-server-keepalive-end.js': UNREF,
    'test-http-pause-no-dump.js':
      'a request that is paused within its first data is dumped when its answer has ended',
  },
  ws: {
    "WebSocketServer close doesn't close a precreated server":
      'the server never tells that it has closed when the application has replaced its close() meanwhile',
  },
};
