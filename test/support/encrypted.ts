/** Clients that speak TLS to a server of a test, politely or cut into pieces, and the certificate that they trust. */
import { once } from 'node:events';
import { Agent, request as requestHttps } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { parseHostPort } from '../../shared/units.ts';

export const NAME = 'shop.test';
/** For a server. */
export const pair = makeCertificate([NAME, '*.img.test', 'localhost', '127.0.0.1', '::1']);
/** For a client. */
export const trust = { ca: pair.cert };

/** A connection whose handshake is over. */
export async function openTls(address: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { host, port } = parseHostPort(address)!;
  const socket = connect({ host, port, servername: NAME, ...trust, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** All that comes until the end. */
export async function readAll(socket: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** One request over HTTP/1.1 on a connection of its own. */
export async function getHttps(address: string, path = '/', options: ConnectionOptions = {}) {
  const { host, port } = parseHostPort(address)!;
  const agent = new Agent({ maxCachedSessions: 0 });
  const request = requestHttps({ host, port, path, agent, servername: NAME, ...trust, ...options });
  request.end();
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await readAll(response) };
}

/** What a client does with bytes that it is to send: writes them in whatever way. */
export type Sending = (socket: Socket, bytes: Buffer) => void | Promise<void>;

/** A connection for `tls.connect({ socket })` whose bytes go out as `send` has it. */
export async function sendingAs(address: string, send: Sending): Promise<Duplex> {
  const { host, port } = parseHostPort(address)!;
  const socket = connectTcp({ host, port, noDelay: true });
  await once(socket, 'connect');
  const duplex: Duplex = new Duplex({
    read: () => void socket.resume(),
    write(bytes, _encoding, done) {
      Promise.resolve(send(socket, bytes)).then(() => done(), done);
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (bytes) => duplex.push(bytes) || socket.pause());
  socket.on('end', () => duplex.push(null));
  socket.on('error', (error) => duplex.destroy(error));
  return duplex;
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Each of so many bytes as a segment of its own. */
export const inPiecesOf =
  (length: number): Sending =>
  async (socket, bytes) => {
    for (let at = 0; at < bytes.length; at += length) {
      socket.write(bytes.subarray(at, at + length));
      await nextTurn();
    }
  };

/** A client's first flight, as bytes. */
export async function clientHello(options: ConnectionOptions = {}): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const sink = new Duplex({
    read() {},
    write(bytes, _encoding, done) {
      resolve(bytes);
      done();
    },
  });
  const client = connect({ socket: sink, servername: NAME, ...options });
  client.on('error', () => {});
  const hello = await promise;
  client.destroy();
  return hello;
}
