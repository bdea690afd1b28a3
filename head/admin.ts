/**
 * The head's admin interface: HTTP on a Unix socket with mode 0600, so that who may steer the head is who may open
 * the file.
 *
 *     GET  /status                  HeadStatus as JSON
 *     GET  /metrics                 Prometheus text
 *     PUT  /mode {"mode": M}        the mode of connections accepted from now on
 *     POST /deliveries/NAME/drain   give it nothing more;  .../undrain: again
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { BatonError } from '../shared/errors.ts';
import type { Metrics } from '../shared/metrics.ts';
import { type HeadStatus, type Mode, modes } from '../shared/status.ts';

/** A request body is at most this long, bytes. */
const BODY_MAX = 4096;

export interface Administered {
  status(): HeadStatus;
  setMode(mode: Mode): void;
  /** Throws UNKNOWN_DELIVERY. */
  drain(name: string, on: boolean): void;
  readonly metrics: Metrics;
}

type Answer = { status: number; type: string; body: string };
const json = (value: unknown, status = 200): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** Listens at `path`, which is free. */
export async function startAdmin(path: string, head: Administered): Promise<Server> {
  const server = createServer((request, response) => {
    answer(head, request).then(
      (result) => send(response, result),
      (error: unknown) => send(response, failure(error)),
    );
  });
  // The mode of a socket file is set when it is made; chmod after it would leave a gap.
  const mask = process.umask(0o177);
  try {
    server.listen(path);
    await once(server, 'listening');
  } finally {
    process.umask(mask);
  }
  return server;
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

function failure(error: unknown): Answer {
  if (!(error instanceof BatonError))
    return json({ error: { code: 'INTERNAL', message: String(error) } }, 500);
  const status = error.code === 'UNKNOWN_DELIVERY' ? 404 : 400;
  return json({ error: { code: error.code, message: error.message, details: error.details } }, status);
}

async function answer(head: Administered, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? '/').split('?')[0]!;
  const route = `${request.method} ${path}`;
  const delivery = /^POST \/deliveries\/([^/]+)\/(drain|undrain)$/.exec(route);
  if (route === 'GET /status') return json(head.status());
  if (route === 'GET /metrics') {
    return { status: 200, type: head.metrics.contentType, body: await head.metrics.metrics() };
  }
  if (route === 'PUT /mode') {
    const mode = readMode(await readBody(request));
    head.setMode(mode);
    return json({ mode });
  }
  if (delivery) {
    const name = decodeName(delivery[1]!);
    head.drain(name, delivery[2] === 'drain');
    return json({ delivery: name, draining: delivery[2] === 'drain' });
  }
  return json({ error: { code: 'USAGE', message: `there is no ${route}` } }, 404);
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BatonError('USAGE', { problem: 'the name of a delivery in the path is badly encoded' });
  }
}

function readMode(body: string): Mode {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new BatonError('USAGE', { problem: 'the body is not JSON; expected {"mode": "redirect"}' });
  }
  const wanted = (value as { mode?: unknown } | null)?.mode;
  if (typeof wanted !== 'string') throw new BatonError('USAGE', { problem: 'expected {"mode": "redirect"}' });
  const mode = modes.find((known) => known === wanted);
  if (!mode) throw new BatonError('UNKNOWN_MODE', { mode: wanted, known: modes.join(', ') });
  return mode;
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    body += chunk;
    if (body.length > BODY_MAX)
      throw new BatonError('USAGE', { problem: `the body is longer than ${BODY_MAX} bytes` });
  }
  return body;
}
