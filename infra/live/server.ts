/** The live page's server: files and seconds for those who have its address, deeds for the page itself. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BatonError } from '../../shared/errors.ts';
import { createServer } from '../../shared/node-http.ts';
import { createToken, letIn } from './guard.ts';
import type { Streams } from './streams.ts';

/** A deed is some words. */
const BODY_MAX = 4096;
const CONNECTIONS_MAX = 64;
const REQUEST_WITHIN_MS = 2000;

/** What pages are made of: the address of each file, by its name on the page. */
const files: Readonly<Record<string, readonly [url: string, type: string]>> = {
  '': ['./page/index.html', 'text/html; charset=utf-8'],
  'uPlot.js': ['uplot/dist/uPlot.esm.js', 'text/javascript; charset=utf-8'],
  'uPlot.css': ['uplot/dist/uPlot.min.css', 'text/css; charset=utf-8'],
  'palette.css': ['../report/page/palette.css', 'text/css; charset=utf-8'],
  'live.css': ['./page/live.css', 'text/css; charset=utf-8'],
  ...Object.fromEntries(
    ['main', 'stream', 'history', 'charts', 'heat', 'journey', 'layouts', 'controls', 'places', 'words'].map(
      (name) => [`${name}.js`, [`./page/${name}.js`, 'text/javascript; charset=utf-8']],
    ),
  ),
};

/** Nothing of the page is from elsewhere, and nothing on it is a script that is not one of those files. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** The report has its scripts in itself: it is shown as a page of nobody's, which cannot do anything here. */
const reportPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox allow-scripts";

export interface LiveServerOptions {
  readonly streams: Streams;
  /** What the page is to know before its first second. */
  readonly about: () => unknown;
  readonly perform: (body: string) => Promise<void>;
  /** The report's page, once there is one. */
  readonly report: () => string | undefined;
}

export class LiveServer {
  readonly address: string;
  readonly #server: Server;

  static async open(options: LiveServerOptions): Promise<LiveServer> {
    const token = createToken();
    let host = '';
    const server = createServer(
      {
        headersTimeout: REQUEST_WITHIN_MS,
        requestTimeout: REQUEST_WITHIN_MS,
        connectionsCheckingInterval: 1000,
        maxHeaderSize: 16_384,
      },
      (request, response) => {
        const allowed = letIn(request, host, token);
        const answering =
          'problem' in allowed
            ? refuse(response, allowed.status, allowed.problem)
            : answer(options, request, response, allowed.path, allowed.query);
        answering.catch(() => response.destroy());
      },
    );
    server.maxConnections = CONNECTIONS_MAX;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    // No fd left to accept with, say: it goes on listening.
    server.on('error', () => {});
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new LiveServer(server, `http://${host}/${token}/`);
  }

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function answer(
  options: LiveServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
): Promise<void> {
  if (request.method === 'POST') {
    if (path !== 'do') return refuse(response, 404, 'deeds are done at do');
    return await act(options, request, response);
  }
  if (path === 'about') return send(response, 200, 'application/json', JSON.stringify(options.about()));
  if (path === 'seconds') {
    const given = String(request.headers['last-event-id'] ?? query.get('after') ?? '0');
    const after = /^\d{1,12}$/.test(given) ? Number(given) : 0;
    if (!options.streams.add(response, after)) return refuse(response, 503, 'too many pages look on');
    return;
  }
  if (path === 'report') {
    const report = options.report();
    if (report === undefined) return refuse(response, 404, 'there is no report yet');
    return send(response, 200, 'text/html; charset=utf-8', await readFile(report, 'utf8'), reportPolicy);
  }
  const file = Object.hasOwn(files, path) ? files[path] : undefined;
  if (!file) return refuse(response, 404, 'there is nothing here');
  send(response, 200, file[1], await readFile(new URL(import.meta.resolve(file[0])), 'utf8'));
}

async function act(
  { perform }: LiveServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let body = '';
  request.setEncoding('utf8');
  for await (const part of request) {
    body += part;
    if (body.length > BODY_MAX) return refuse(response, 413, 'a deed is shorter');
  }
  try {
    await perform(body);
    send(response, 200, 'application/json', '{"done":true}');
  } catch (error) {
    const code = error instanceof BatonError ? error.code : 'INTERNAL';
    const problem = error instanceof Error ? error.message : String(error);
    send(response, code === 'USAGE' ? 400 : 500, 'application/json', JSON.stringify({ problem }));
  }
}

async function refuse(response: ServerResponse, status: number, problem: string): Promise<void> {
  // What else the request brings is not read.
  response.shouldKeepAlive = false;
  send(response, status, 'application/json', JSON.stringify({ problem }));
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  contentPolicy: string = policy,
): void {
  response
    .writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'content-security-policy': contentPolicy,
      'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    .end(body);
}
