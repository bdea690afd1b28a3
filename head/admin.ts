/**
 * The head's admin interface: HTTP on a Unix socket with mode 0600, so that who may steer the head is who may open
 * the file.
 *
 *     GET  /status                  HeadStatus as JSON
 *     GET  /ready                   Readiness as JSON; 503 when it is not
 *     GET  /metrics                 Prometheus text
 *     PUT  /mode {"mode": M}        the mode of connections accepted from now on
 *     POST /upgrade                 starts a successor; answers when it has taken over
 *     GET  /take-over               of a successor, with Upgrade: see take-over/predecessor.ts
 *     POST /reload                  reads the configuration again: Reloaded
 *     POST /deliveries/NAME/drain   give it nothing more;  .../drain?move: and have others get what it has;  .../undrain: again
 */

import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../shared/errors.ts';
import { type Logger, Sparingly } from '../shared/log.ts';
import type { Metrics } from '../shared/metrics.ts';
import { createServer } from '../shared/node-http.ts';
import { type HeadStatus, type Mode, modes, type Readiness, type Reloaded } from '../shared/status.ts';
import { closeFd } from '../shared/sys/sockets.ts';
import { keepListening, listenAt, type SocketFile, type SocketWish } from '../shared/sys/unix-path.ts';

/** A request body is at most this long, bytes. */
const BODY_MAX = 4096;

export interface Administered {
  status(): HeadStatus;
  ready(): Readiness;
  setMode(mode: Mode): void;
  /** Throws UNKNOWN_DELIVERY. `move`: it gives its connections back; the answer is whether it can. */
  drain(name: string, on: boolean, move: boolean): boolean;
  /** Rejects with a BatonError. */
  reload(): Promise<Reloaded>;
  readonly metrics: Metrics;
  /** Resolves with the pid of the successor. Throws TAKE_OVER_FAILED and TAKE_OVER_REFUSED. */
  upgrade(): Promise<number>;
  /** Somebody wants to be the successor; the socket is the callee's. `versions`: its Upgrade header. */
  takeOver(socket: Socket, versions: string): void;
}

type Answer = { status: number; type: string; body: string };
const json = (value: unknown, status = 200): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** Clients at once; the one that has been there longest makes room for the next. */
const CLIENTS_MAX = 64;
/** A request has to be here within this time, an answer to be read, and an idle connection to be used, milliseconds. */
const REQUEST_WITHIN_MS = 10_000;
const ANSWER_WITHIN_MS = 10_000;
/** A head that has been taken over leaves its last answers so long, milliseconds. */
const LAST_ANSWERS_MS = 100;

export class AdminDoor {
  readonly #path: string;
  readonly #log: Logger;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #failures = new Sparingly(1);
  #file: SocketFile | undefined;
  #stopped = false;

  constructor(path: string, head: Administered, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.#server = createServer(
      {
        headersTimeout: REQUEST_WITHIN_MS,
        requestTimeout: REQUEST_WITHIN_MS,
        keepAliveTimeout: REQUEST_WITHIN_MS,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => {
        answer(head, request).then(
          (result) => send(response, result),
          (error: unknown) => send(response, failure(error)),
        );
      },
    );
    this.#server.on('upgrade', (request, socket: Socket) => {
      if (request.url === '/take-over') head.takeOver(socket, request.headers.upgrade ?? '');
      else socket.destroy();
    });
    this.#server.timeout = ANSWER_WITHIN_MS;
    this.#server.on('connection', (socket) => this.#admit(socket));
    // No fd left to accept with, say: it goes on listening.
    this.#server.on('error', (error) =>
      this.#failures.tell((more) => log.warn({ ...more }, `the admin interface: ${error.message}`)),
    );
  }

  #admit(socket: Socket): void {
    this.#clients.add(socket);
    socket.once('close', () => this.#clients.delete(socket));
    if (this.#clients.size > CLIENTS_MAX) this.#clients.values().next().value?.destroy();
  }

  /** Takes the path, or goes on with a socket that is there. Throws as listenAt and keepListening. */
  async listen(inherited?: number): Promise<void> {
    const [path, option] = [this.#path, '--admin-socket'];
    const wish: SocketWish = { path, type: 'stream', backlog: CLIENTS_MAX, option };
    this.#file = inherited === undefined ? await listenAt(wish) : keepListening(inherited, wish);
    if (this.#file.replaced) this.#log.warn({ path: this.#path }, 'replaced a socket that a dead head left');
    if (this.#stopped) this.#giveBack(this.#file);
  }

  /** Lets those in who wait, and who come from now on. */
  async open(): Promise<void> {
    if (!this.#file || this.#server.listening) return;
    // By its fd: to close a server that has opened a path itself removes what is there then, which may be a successor's.
    this.#server.listen({ fd: this.#file.fd });
    await once(this.#server, 'listening');
  }

  /** False when the path leads to no socket, or to another. */
  get isThere(): boolean {
    return this.#file?.isThere() ?? true;
  }

  /** Takes the path anew, after somebody has removed it. Throws as listenAt. */
  async listenAgain(): Promise<void> {
    const wasOpen = this.#server.listening;
    // One that was never opened is nobody's to close but ours.
    if (wasOpen) this.#server.close();
    else if (this.#file) closeFd(this.#file.fd);
    await this.listen();
    if (wasOpen) await this.open();
  }

  /** The listening socket; undefined when there is none. */
  get fd(): number | undefined {
    return this.#file?.fd;
  }

  /** Gives the path back: a successor may take it, unless it has it already (`keepsFile`). Requests in progress go on. */
  stopListening(keepsFile = false): void {
    this.#stopped = true;
    if (this.#file && !keepsFile) this.#file.remove();
    // One that was never opened is nobody's to close but ours.
    if (this.#file && !this.#server.listening) closeFd(this.#file.fd);
    this.#file = undefined;
    this.#server.close();
  }

  /** Resolves when those who have asked have their answers, or after a while. */
  async answered(): Promise<void> {
    const until = performance.now() + LAST_ANSWERS_MS;
    this.#server.closeIdleConnections();
    while (this.#clients.size > 0 && performance.now() < until) {
      await delay(2);
      this.#server.closeIdleConnections();
    }
  }

  #giveBack(file: SocketFile): void {
    file.remove();
    closeFd(file.fd);
    this.#file = undefined;
  }

  close(): void {
    this.stopListening();
    this.#server.closeAllConnections();
  }
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

function failure(error: unknown): Answer {
  if (!(error instanceof BatonError))
    return json({ error: { code: 'INTERNAL', message: String(error) } }, 500);
  const { code, message, details } = error;
  return json({ error: { code, message, details } }, statusOf(error));
}

/** Whose fault it is makes a 4xx or a 5xx of it, and what may pass by itself a 503 (RFC 9110 section 15). */
function statusOf({ code, fault, retry }: BatonError): number {
  if (code === 'UNKNOWN_DELIVERY') return 404;
  if (fault === 'user' || fault === 'client') return 400;
  return retry ? 503 : 500;
}

async function answer(head: Administered, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? '/').split('?')[0]!;
  const route = `${request.method} ${path}`;
  const delivery = /^POST \/deliveries\/([^/]+)\/(drain|undrain)$/.exec(route);
  if (route === 'GET /status') return json(head.status());
  if (route === 'GET /ready') {
    const readiness = head.ready();
    return json(readiness, readiness.ready ? 200 : 503);
  }
  if (route === 'GET /metrics') {
    return { status: 200, type: head.metrics.contentType, body: await head.metrics.metrics() };
  }
  if (route === 'POST /reload') return json(await head.reload());
  if (route === 'PUT /mode') {
    const mode = readMode(await readBody(request));
    head.setMode(mode);
    return json({ mode });
  }
  if (route === 'POST /upgrade') {
    // It takes as long as it takes a head to start.
    request.socket.setTimeout(0);
    return json({ predecessor: process.pid, pid: await head.upgrade() });
  }
  if (delivery) {
    const name = decodeName(delivery[1]!);
    const move = (request.url ?? '').endsWith('?move');
    const moves = head.drain(name, delivery[2] === 'drain', move) && move;
    return json({ delivery: name, draining: delivery[2] === 'drain', moves });
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
