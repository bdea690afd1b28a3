/**
 * `/metrics` over TCP, for a Prometheus that is elsewhere: GET and HEAD of that one path, and nothing of the admin
 * interface. Whoever can reach the address can read it and do no more; how many do so at once, how long each may take and
 * how often the values are gathered is bounded.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import { createServer } from './node-http.ts';
import { listenerOf } from './sys/listener-of.ts';
import { listenError, needListenerAt } from './sys/reuseport.ts';
import { formatHostPort, type HostPort } from './units.ts';

const CONNECTIONS_MAX = 32;
const HEAD_MAX = 8192;
/** For a request to arrive; and for a client to take its answer, or to ask again. */
const REQUEST_WITHIN_MS = 5000;
const IDLE_MS = 20_000;
/** However many ask, values are gathered this often at most. */
const KEPT_MS = 100;

export interface MetricsServer {
  /** HOST:PORT, with the port that the kernel picked. */
  readonly address: string;
  /** Of the listener; it stays the server's. */
  readonly fd: number;
  close(): Promise<void>;
}

/** With a socket that listens at the address already it goes on with that. Throws PORT_IN_USE and its like, for `--metrics`. */
export async function startMetricsServer(
  address: HostPort,
  metrics: Metrics,
  inherited?: number,
): Promise<MetricsServer> {
  const read = keptFor(KEPT_MS, () => metrics.metrics());
  const server = createServer(
    {
      maxHeaderSize: HEAD_MAX,
      headersTimeout: REQUEST_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: REQUEST_WITHIN_MS / 2,
    },
    (request, response) => void answer(request, response, metrics.contentType, read),
  );
  server.maxConnections = CONNECTIONS_MAX;
  // A client that does not take its answer is cut off.
  server.timeout = IDLE_MS;
  if (inherited !== undefined) await needListenerAt(inherited, address);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address, '--metrics')));
    server.listen(inherited === undefined ? address : { fd: inherited }, resolve);
  });
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: formatHostPort({ host, port }),
    fd: listenerOf(server),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  contentType: string,
  read: () => Promise<string>,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refuse(response, 405, 'only GET and HEAD\n', { allow: 'GET, HEAD' });
  if (request.url?.split('?')[0] !== '/metrics') return refuse(response, 404, 'there is only /metrics\n');
  try {
    const body = await read();
    const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(body) };
    response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : body);
  } catch {
    refuse(response, 500, 'the metrics could not be read\n');
  }
}

/** A body that somebody sends is not read: the connection ends with the answer. */
function refuse(response: ServerResponse, status: number, body: string, headers: object = {}): void {
  const all = {
    ...headers,
    'content-type': 'text/plain',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  response.writeHead(status, all).end(response.req.method === 'HEAD' ? undefined : body);
}

/** What `read` answered, for so long. */
function keptFor(millis: number, read: () => Promise<string>): () => Promise<string> {
  let kept: Promise<string> | undefined;
  let until = 0;
  return () => {
    if (!kept || performance.now() >= until) {
      kept = read();
      until = performance.now() + millis;
    }
    return kept;
  };
}
