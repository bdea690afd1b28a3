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
/** `close` of a server comes when the head has let it go. */
const LEAVES = 'a server has closed when its head knows that, and not in the same turn of the event loop';

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
  secure: {
    'test-http2-allow-http1.js': LEAVES,
    'test-http2-connect-method.js': WAITS,
    'test-http2-server-startup.js': WAITS,
    'test-https-timeout-server.js': WAITS,
  },
  express: {},
  ws: {
    "WebSocketServer close emits the 'close' event after the server closes": WAITS,
  },
  koa: {},
};
