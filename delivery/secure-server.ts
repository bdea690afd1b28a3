/**
 * A server for one port that speaks HTTP over TLS and plain: the first bytes say which. Where HTTP/2 is wanted it is
 * spoken too, over TLS when ALPN says so, plain when a connection begins with its preface (RFC 9113 section 3.3).
 *
 * It is one of Node's secure servers, which for HTTP/1 has all that a plain one has; only who gets a connection is
 * decided here.
 */
import type { RequestListener } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import { Server as HttpServer } from '../shared/node-http.ts';
import { readPemPair } from '../shared/pem.ts';
import { EAGAIN } from '../shared/sys/libc.ts';
import { allocate } from '../shared/sys/memory.ts';
import { watchReadable } from '../shared/sys/readiness.ts';
import { closeFd, duplicateFd, peek } from '../shared/sys/sockets.ts';
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

export interface SecureServer {
  readonly server: Server;
  /** Reads the files again, for handshakes from now on. Throws CERTIFICATE_UNUSABLE, with nothing changed. */
  reload(): void;
  /** Ends what the server has no list of. */
  destroyAll(): void;
}

type Listener = (this: Server, socket: Socket) => void;
/** What the typings do not tell of it. */
type Undocumented = Server & {
  httpAllowHalfOpen: boolean;
  pauseOnConnect: boolean;
  readonly headersTimeout: number;
};

/** TLS records of type handshake (RFC 8446 section 5.1); what no HTTP/1 request begins with. */
const HANDSHAKE = 0x16;
/** No method that is in use begins with it, and longer ones are for nobody to wait for. */
const PREFACE = Buffer.from('PRI ');

/** Between two looks at a client that sends its first bytes one by one. */
const AGAIN_MS = 5;
/** From the first of them on. Then it is for HTTP/1 to judge, which knows when its client has gone. */
const LATE_MS = 1000;
/** The longest that a timer can wait. */
const NEVER_MS = 2 ** 31 - 1;

/** The listener by which every HTTP/1 server gets its connections. */
const [serveHttp] = new HttpServer().listeners('connection') as Listener[];

/** Throws CERTIFICATE_UNUSABLE. */
export async function createSecureServer(
  app: RequestListener,
  options: SecureServerOptions,
): Promise<SecureServer> {
  const { certificate, key } = options;
  const read = () => {
    const { cert, key: secret } = readPemPair(certificate, key);
    return { cert, key: secret };
  };
  // Half-open as every plain HTTP server has it, and a TLS server has not; and nothing is read before it is known by whom.
  const tls = { ...read(), allowHalfOpen: true, pauseOnConnect: true };
  let server: Server;
  let serveHttp1 = serveHttp!;
  let serveHttp2: Listener | undefined;
  if (options.http2) {
    const { createSecureServer: create } = await import('node:http2');
    // Typed for requests of HTTP/2 alone, which have the same interface.
    server = create({ ...tls, allowHTTP1: true }, app as never);
    const [bySession] = server.listeners('secureConnection') as Listener[];
    serveHttp2 = bySession;
    // As it serves a client whose ALPN says nothing of HTTP/2.
    serveHttp1 = function (socket) {
      (socket as Socket & { alpnProtocol?: unknown }).alpnProtocol = false;
      bySession!.call(this, socket);
    };
    server.on('session', endWithClient);
  } else {
    const { createServer: create } = await import('node:https');
    server = create(tls, app);
  }
  // Undocumented, and false by default.
  (server as Undocumented).httpAllowHalfOpen = options.halfOpen;
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
    const decide = (isLate: boolean): boolean => {
      // What is looked at stays there for whoever is chosen.
      const length = peek(fdOf(socket), firstBytes, 0, PREFACE.length);
      if (length === EAGAIN) return false;
      if (length <= 0) return socket.destroy().destroyed;
      const listener = choose(firstBytes.bytes, length) ?? (isLate ? serveHttp1 : undefined);
      if (listener) serveBy(listener, this as Undocumented, socket, listener === serveTls);
      return listener !== undefined;
    };
    // Of what a head hands over something is there already.
    if (!decide(false)) waitForMore(socket, decide, (this as Undocumented).headersTimeout);
  });

  function choose(first: Uint8Array, length: number): Listener | undefined {
    if (first[0] === HANDSHAKE) return serveTls;
    if (!serveHttp2 || !beginsAsPreface(first, length)) return serveHttp1;
    return length < PREFACE.length ? undefined : serveHttp2;
  }
  return {
    server,
    // Of the connections that there are nothing changes; all of them have been checked before the server takes any.
    reload: () => (server as TlsServer).setSecureContext(read()),
    destroyAll() {
      for (const socket of open) apart(() => socket.destroy());
    },
  };
}

/** As far as it is there. */
const beginsAsPreface = (first: Uint8Array, length: number): boolean =>
  PREFACE.subarray(0, length).equals(first.subarray(0, Math.min(length, PREFACE.length)));

const firstBytes = allocate(PREFACE.length);

/** As if it had not been paused, nor the server made to. */
function serveBy(listener: Listener, server: Undocumented, socket: Socket, isTls: boolean): void {
  server.pauseOnConnect = false;
  try {
    listener.call(server, socket);
  } finally {
    server.pauseOnConnect = true;
    // A TLS engine reads by the handle.
    if (!isTls) socket.resume();
  }
}

/**
 * Looks again when there is more, by an fd of its own: the socket's may be closed by anybody at any time. Who has begun, and
 * does not go on, is late.
 */
function waitForMore(socket: Socket, decide: (isLate: boolean) => boolean, withinMs: number): void {
  const fd = duplicateFd(fdOf(socket));
  const deadline = setTimeout(() => socket.destroy(), withinMs || NEVER_MS);
  let again: NodeJS.Timeout | undefined;
  let lateAt = Number.POSITIVE_INFINITY;
  const readiness = watchReadable(fd, look);
  socket.once('close', stop);

  function look(): void {
    // It stays readable, however little has come.
    readiness.close();
    const now = performance.now();
    lateAt = Math.min(lateAt, now + LATE_MS);
    let isDecided = true;
    try {
      isDecided = socket.destroyed || decide(now >= lateAt);
    } finally {
      if (isDecided) stop();
      else again = setTimeout(look, AGAIN_MS);
    }
  }

  function stop(): void {
    clearTimeout(deadline);
    clearTimeout(again);
    socket.off('close', stop);
    readiness.close();
    closeFd(fd);
  }
}

/** HTTP/2 has a word for leaving; a client that ends its side without it waits for no more than what it has asked. */
function endWithClient(session: ServerHttp2Session): void {
  session.socket.once('end', () => session.close());
}
