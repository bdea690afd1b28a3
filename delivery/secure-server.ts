/**
 * A server for one port that speaks HTTP over TLS and plain: the first bytes say which. Where HTTP/2 is wanted it is
 * spoken too, over TLS when ALPN says so, plain when a connection begins with its preface (RFC 9113 section 3.3).
 *
 * It is one of Node's secure servers, which for HTTP/1 has all that a plain one has; only who gets a connection is
 * decided here.
 */
import { readFileSync } from 'node:fs';
import { Server as HttpServer, type RequestListener } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { createSecureContext, type TLSSocket } from 'node:tls';
import { BatonError } from '../shared/errors.ts';
import { allocate } from '../shared/sys/memory.ts';
import { peek } from '../shared/sys/sockets.ts';
import { apart } from './apart.ts';
import { fdOf } from './http-connections.ts';

export interface SecureServerOptions {
  /** Files in PEM. */
  readonly certificate: string;
  readonly key: string;
  readonly http2: boolean;
  /** Of HTTP/1: a client that has ended its side is still answered. */
  readonly halfOpen: boolean;
}

type Listener = (this: Server, socket: Socket) => void;
type WithHalfOpen = Server & { httpAllowHalfOpen?: boolean; readonly headersTimeout: number };

/** TLS records of type handshake (RFC 8446 section 5.1); what no HTTP/1 request begins with. */
const HANDSHAKE = 0x16;
/** No method that is in use begins with it, and longer ones are for nobody to wait for. */
const PREFACE = Buffer.from('PRI ');

/** The listener by which every HTTP/1 server gets its connections. */
const [serveHttp] = new HttpServer().listeners('connection') as Listener[];

/** Throws CERTIFICATE_UNUSABLE. */
export async function createSecureServer(
  app: RequestListener,
  options: SecureServerOptions,
): Promise<{ server: Server; destroyAll(): void }> {
  const pair = readPair(options);
  // As every plain HTTP server has it, and a TLS server has not.
  const tls = { ...pair, allowHalfOpen: true };
  let server: Server;
  let serveHttp2: Listener | undefined;
  if (options.http2) {
    const { createSecureServer: create } = await import('node:http2');
    // Typed for requests of HTTP/2 alone, which have the same interface.
    server = create({ ...tls, allowHTTP1: true }, app as never);
    [serveHttp2] = server.listeners('secureConnection') as Listener[];
    server.on('session', endWithClient);
  } else {
    const { createServer: create } = await import('node:https');
    server = create(tls, app);
  }
  // Undocumented, and false by default.
  (server as WithHalfOpen).httpAllowHalfOpen = options.halfOpen;
  const [tlsListener] = server.listeners('connection') as Listener[];
  // Who ends his side in the midst of the handshake has gone.
  const serveTls: Listener = function (socket) {
    socket.allowHalfOpen = false;
    tlsListener!.call(this, socket);
  };
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    socket.allowHalfOpen = true;
  });
  server.removeAllListeners('connection');
  /** Also those that no list of Node's has: of clients that are silent, or in the midst of a handshake. */
  const open = new Set<Socket>();
  server.on('connection', function byFirstBytes(this: Server, socket: Socket) {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const serve = (first: Uint8Array, length: number): boolean => {
      const listener = choose(first, length);
      listener?.call(this, socket);
      return listener !== undefined;
    };
    // Of what a head hands over something is there already, and stays there for whoever is chosen.
    const length = peek(fdOf(socket), firstBytes, 0, PREFACE.length);
    if (!serve(firstBytes.bytes, length)) waitForMore(socket, serve, (this as WithHalfOpen).headersTimeout);
  });

  function choose(first: Uint8Array, length: number): Listener | undefined {
    if (length <= 0) return undefined;
    if (first[0] === HANDSHAKE) return serveTls;
    if (!serveHttp2 || !beginsAsPreface(first, length)) return serveHttp;
    return length < PREFACE.length ? undefined : serveHttp2;
  }
  return {
    server,
    destroyAll() {
      for (const socket of open) apart(() => socket.destroy());
    },
  };
}

/** As far as it is there. */
const beginsAsPreface = (first: Uint8Array, length: number): boolean =>
  PREFACE.subarray(0, length).equals(first.subarray(0, Math.min(length, PREFACE.length)));

const firstBytes = allocate(PREFACE.length);

/** Reads, and puts back what it has read: Node's servers take that before they read for themselves. */
function waitForMore(
  socket: Socket,
  serve: (first: Uint8Array, length: number) => boolean,
  withinMs: number,
): void {
  const deadline = setTimeout(() => socket.destroy(), withinMs || 2 ** 31 - 1);
  let read = Buffer.alloc(0);
  const onReadable = () => {
    const more = socket.read() as Buffer | null;
    // A client that leaves without a word.
    if (!more) return void socket.destroy();
    read = Buffer.concat([read, more]);
    const isEnough = read.length >= PREFACE.length || !beginsAsPreface(read, read.length);
    if (!isEnough) return;
    stop();
    socket.unshift(read);
    serve(read, read.length);
  };
  const stop = () => {
    clearTimeout(deadline);
    socket.off('readable', onReadable);
    socket.off('error', stop);
    socket.off('close', stop);
  };
  socket.on('readable', onReadable);
  socket.on('error', stop);
  socket.on('close', stop);
}

/** HTTP/2 has a word for leaving; a client that ends its side without it waits for no more than what it has asked. */
function endWithClient(session: ServerHttp2Session): void {
  session.socket.once('end', () => session.close());
}

function readPair({ certificate, key }: SecureServerOptions): { cert: Buffer; key: Buffer } {
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw unusable(file, (error as NodeJS.ErrnoException).code ?? (error as Error).message, error);
    }
  };
  const pair = { cert: read(certificate), key: read(key) };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw unusable(certificate, `with the key ${key}: ${(error as Error).message}`, error);
  }
  return pair;
}

const unusable = (file: string, problem: string, cause: unknown): BatonError =>
  new BatonError('CERTIFICATE_UNUSABLE', { file, problem }, cause);
