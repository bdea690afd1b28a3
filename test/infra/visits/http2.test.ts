import { constants, createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { VisitOptions } from '../../../infra/visits/options.ts';
import { phaseNames } from '../../../infra/visits/phases.ts';
import { runVisits } from '../../../infra/visits/run.ts';
import { createServer as createHttpServer } from '../../../shared/node-http.ts';
import { createAuthority } from '../../support/authority.ts';
import { listen, serveTcp } from '../../support/tls-servers.ts';

const authority = createAuthority();
const pair = authority.issue(['localhost']);
test.after.always(() => authority.remove());

const short = { rate: 50, durationMs: 200 };
const visit = (url: string, options: Partial<VisitOptions> = {}) =>
  runVisits({ urls: [url], ...short, http2: true, tls: { ca: authority.ca }, timeoutMs: 20_000, ...options });

type OnStream = (stream: ServerHttp2Stream, path: string) => void;

/** With prior knowledge. */
function serve(t: ExecutionContext, onStream: OnStream): Promise<number> {
  return listen(t, onStreams(createServer(), onStream));
}
const serveSecurely = (t: ExecutionContext, onStream: OnStream) =>
  listen(t, onStreams(createSecureServer(pair), onStream));

function onStreams(
  server: ReturnType<typeof createServer> | ReturnType<typeof createSecureServer>,
  onStream: OnStream,
) {
  server.on(
    'session',
    (session: import('node:http2').ServerHttp2Session) => void session.on('error', () => {}),
  );
  server.on('stream', (stream: ServerHttp2Stream, headers: import('node:http2').IncomingHttpHeaders) => {
    stream.on('error', () => {});
    onStream(stream, headers[':path']!);
  });
  return server as unknown as Server;
}

const answer: OnStream = (stream) => {
  stream.respond({ ':status': 200 });
  stream.end('x'.repeat(1000));
};

for (const [scheme, start] of [
  ['https', serveSecurely],
  ['http', serve],
] as const) {
  test(`${scheme} URLs are visited by HTTP/2, several requests on one connection`, async (t) => {
    const port = await start(t, answer);
    const result = await visit(`${scheme}://localhost:${port}/`, { requestsPerVisit: 3 });
    t.like(result, { succeeded: 10, failed: 0, connections: 10, requests: 30, bodyBytes: 30_000 });
    t.deepEqual(result.statuses, { 200: 10 });
    t.deepEqual(result.tls?.protocols, scheme === 'https' ? { h2: 10 } : undefined);
    const parts = phaseNames.reduce((sum, name) => sum + result.phases[name].mean, 0);
    t.true(Math.abs(parts - result.latency.mean) < 0.01 * result.latency.mean + 10, `${parts}`);
    t.true(result.phases.firstByte.min > 0 && result.phases.moreRequests.min > 0);
  });
}

test('a large answer comes through the windows, all of it', async (t) => {
  const port = await serve(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.end(Buffer.alloc(10_000_000));
  });
  const result = await visit(`http://localhost:${port}/`, { rate: 5, durationMs: 400 });
  t.like(result, { succeeded: 2, bodyBytes: 20_000_000 });
});

test('a redirect is followed on a new connection, and by HTTP/2 there', async (t) => {
  const there = await serveSecurely(t, answer);
  const port = await serveSecurely(t, (stream) => {
    stream.respond({ ':status': 307, location: `https://localhost:${there}/there` }, { endStream: true });
  });
  const result = await visit(`https://localhost:${port}/`);
  t.like(result, { succeeded: 10, connections: 20, redirects: { 307: 10 } });
  t.deepEqual(result.tls?.protocols, { h2: 20 });
});

test('where a server says goodbye after an answer the next request goes over a new connection', async (t) => {
  const port = await serve(t, (stream) => {
    stream.session!.goaway();
    answer(stream, '/');
  });
  const result = await visit(`http://localhost:${port}/`, { requestsPerVisit: 3 });
  t.like(result, { succeeded: 10, connections: 30, requests: 30 });
});

/** RFC 9113 section 4.1. */
const frame = (type: number, flags: number, stream: number, payload: readonly number[]): Buffer =>
  Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload]);

/** Its head says 200 and a length of 9, and its body has one byte of them. */
const halfAnswer = Buffer.concat([frame(1, 4, 1, [0x88, 0x0f, 0x0d, 1, 0x39]), frame(0, 0, 1, [0x78])]);

/** After the SETTINGS of a server; then the connection ends. */
const sendFrames = (t: ExecutionContext, ...frames: readonly Buffer[]): Promise<number> =>
  serveTcp(
    t,
    (socket) => void socket.once('data', () => socket.end(Buffer.concat([frame(4, 0, 0, []), ...frames]))),
  );

const failing: [
  string,
  string,
  (t: ExecutionContext) => Promise<number>,
  ('http' | 'https')?,
  Partial<VisitOptions>?,
][] = [
  [
    'no_http2',
    'a server that chooses HTTP/1.1',
    (t) =>
      listen(
        t,
        createHttpsServer(pair, (_, to) => to.end()),
      ),
    'https',
  ],
  [
    'no_http2',
    'a server that chooses no protocol',
    (t) =>
      listen(
        t,
        createHttpsServer({ ...pair, ALPNCallback: undefined, ALPNProtocols: [] }, (_, to) => to.end()),
      ),
    'https',
  ],
  [
    'bad_answer',
    'an answer by HTTP/1.1',
    (t) =>
      listen(
        t,
        createHttpServer((_, to) => to.end()),
      ),
  ],
  [
    'http2_refused_stream',
    'a refused stream',
    (t) => serve(t, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM)),
  ],
  [
    'http2_internal_error',
    'a stream that is reset within its answer',
    (t) => sendFrames(t, halfAnswer, frame(3, 0, 1, [0, 0, 0, 2])),
  ],
  [
    'closed_early',
    'a stream that is reset within its answer as if that were right',
    (t) => sendFrames(t, halfAnswer, frame(3, 0, 1, [0, 0, 0, 0])),
  ],
  [
    'closed_early',
    'a connection that ends within an answer, without a word',
    (t) => sendFrames(t, halfAnswer),
  ],
  [
    'closed_early',
    'a connection that ends within an answer',
    (t) =>
      serve(t, (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('half', () => stream.session!.socket.destroySoon?.());
      }),
  ],
  [
    'closed_early',
    'a connection that ends before an answer',
    (t) => serveTcp(t, (socket) => void socket.once('data', () => socket.end())),
  ],
  [
    'reset',
    'a connection that is reset',
    (t) => serveTcp(t, (socket) => void socket.once('data', () => socket.resetAndDestroy())),
  ],
  [
    'status_5xx',
    'a 503',
    (t) => serve(t, (stream) => stream.respond({ ':status': 503 }, { endStream: true })),
  ],
  [
    'status_4xx',
    'a 404',
    (t) => serve(t, (stream) => stream.respond({ ':status': 404 }, { endStream: true })),
  ],
  [
    'bad_redirect',
    'a redirect to nowhere',
    (t) =>
      serve(t, (stream) => stream.respond({ ':status': 307, location: 'mailto:x' }, { endStream: true })),
  ],
  ['timeout', 'an answer that does not come', (t) => serve(t, () => {}), 'http', { timeoutMs: 2000 }],
  [
    'timeout',
    'an answer that never ends',
    (t) =>
      serve(t, (stream) => {
        stream.respond({ ':status': 200 });
        const more = () => void (stream.destroyed || stream.write('x', () => setTimeout(more, 5)));
        more();
      }),
    'http',
    { timeoutMs: 2000 },
  ],
  ['timeout', 'a server that says nothing', (t) => serveTcp(t, () => {}), 'http', { timeoutMs: 1500 }],
  ['bad_answer', 'a frame that no server may send', (t) => sendFrames(t, frame(0, 0, 0, [1]))],
  [
    'bad_answer',
    'a head that is none',
    (t) => sendFrames(t, frame(1, 4, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
  ],
];
for (const [name, what, start, scheme = 'http', options] of failing) {
  test(`by HTTP/2, ${what} is counted as ${name}`, async (t) => {
    const port = await start(t);
    const result = await visit(`${scheme}://localhost:${port}/`, { durationMs: 100, ...options });
    t.deepEqual(result.failures, { [name]: 5 });
    t.like(result, { visits: 5, succeeded: 0 });
  });
}
