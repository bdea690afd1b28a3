/**
 * The application that a delivery serves when it is given none: small answers with known content, for experiments.
 *
 *     /bytes/N      N bytes, a to z over and over
 *     /delay/MS     answers after MS milliseconds
 *     /echo         the request's body
 *     /events/N/MS  N server-sent events, one each MS milliseconds
 *     /whoami       who asked whom, and how the connection came
 *
 * It speaks whatever its server does, HTTP/1 or HTTP/2, and echoes WebSocket messages (lab-websockets.ts).
 */
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { connectionInfo } from './connections.ts';

/** Bounds of what a path may ask for: bytes, and milliseconds. */
const BYTES_MAX = 10 ** 9;
const DELAY_MAX_MS = 60_000;
const EVENTS_MAX = 10 ** 6;

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';
/** About 64 kB and a whole number of alphabets, so that copies of it join up. */
const BLOCK = Buffer.from(ALPHABET.repeat(2520));

const INDEX = `Baton's lab application answers
  /bytes/N      N bytes (up to ${BYTES_MAX})
  /delay/MS     after MS milliseconds (up to ${DELAY_MAX_MS})
  /echo         the body of the request; messages, to a WebSocket client at any path
  /events/N/MS  N server-sent events (up to ${EVENTS_MAX}), one each MS milliseconds (up to ${DELAY_MAX_MS})
  /whoami       who asked whom, and how the connection came
`;

/** The application of the delivery called `name`. */
export function labApp(name: string): RequestListener {
  return (request, response) => {
    handle(name, request, response).catch(() => {
      // The client has gone, or the body broke off: there is nobody to tell.
      response.destroy();
    });
  };
}

async function handle(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0]!;
  const [, verb, argument, second] = /^\/(\w*)(?:\/(\d+))?(?:\/(\d+))?$/.exec(path) ?? [];
  const number = argument === undefined ? Number.NaN : Number(argument);
  if (second !== undefined) {
    if (verb === 'events' && number <= EVENTS_MAX && Number(second) <= DELAY_MAX_MS)
      return await sendEvents(response, number, Number(second));
    return sendText(response, 404, INDEX);
  }
  if (verb === 'bytes' && number <= BYTES_MAX) return await sendBytes(request, response, number);
  if (verb === 'delay' && number <= DELAY_MAX_MS) {
    await delay(number);
    return sendText(response, 200, `waited ${number} ms\n`);
  }
  if (verb === 'echo' && argument === undefined) return await echo(request, response);
  if (verb === 'whoami' && argument === undefined) return whoami(name, request, response);
  sendText(response, verb === '' ? 200 : 404, INDEX);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    })
    .end(text);
}

async function sendBytes(request: IncomingMessage, response: ServerResponse, count: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': count });
  if (request.method === 'HEAD' || count <= BLOCK.length) return void response.end(BLOCK.subarray(0, count));
  await pipeline(Readable.from(blocks(count)), response);
}

function* blocks(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= BLOCK.length)
    yield BLOCK.subarray(0, Math.min(left, BLOCK.length));
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers: Record<string, string> = {
    'content-type': request.headers['content-type'] ?? 'application/octet-stream',
  };
  const length = request.headers['content-length'];
  if (length !== undefined) headers['content-length'] = length;
  response.writeHead(200, headers);
  await pipeline(request, response);
}

/** Each says when it was written, milliseconds since 1970; the first comes at once. */
async function sendEvents(response: ServerResponse, count: number, everyMs: number): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const began = performance.now();
  for (let id = 1; id <= count; id++) {
    const wait = began + (id - 1) * everyMs - performance.now();
    // Rejects when the client has gone: nobody is left to write to.
    if (wait > 0) await delay(wait, undefined, { signal: gone.signal });
    if (!response.write(`id: ${id}\ndata: ${Date.now()}\n\n`))
      await once(response, 'drain', { signal: gone.signal });
  }
  response.end();
}

function whoami(name: string, request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request;
  const info = connectionInfo(socket);
  const body = JSON.stringify({
    delivery: name,
    transport: info?.transport ?? 'direct',
    id: info?.id ?? null,
    protocol: `HTTP/${request.httpVersion}`,
    client: { address: socket.remoteAddress ?? null, port: socket.remotePort ?? null },
    pid: process.pid,
  });
  response
    .writeHead(200, { 'content-type': 'application/json', 'content-length': body.length + 1 })
    .end(`${body}\n`);
}
