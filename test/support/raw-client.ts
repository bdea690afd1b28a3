/** An HTTP client that sends exactly the bytes it is told to, and tells everything that came back. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { parseHostPort } from '../../shared/units.ts';

export interface Reply {
  readonly status: number;
  readonly head: string;
  readonly headers: Readonly<Record<string, string>>;
  /** All after the head, as it came: a chunked body is not decoded, and further answers are in it. */
  readonly rest: Buffer;
  readonly all: Buffer;
}

export interface SendOptions {
  /** Send FIN after the request. */
  readonly halfClose?: boolean;
  /** Send each of these many bytes alone. */
  readonly pieceBytes?: number;
  /** A connection silent for this long is an error, milliseconds. */
  readonly timeoutMs?: number;
  /** Speaks TLS, with these options. */
  readonly tls?: ConnectionOptions | undefined;
}

export async function open(address: string, tls?: ConnectionOptions): Promise<Socket> {
  const { host, port } = parseHostPort(address)!;
  const tcp = { host, port, allowHalfOpen: true, noDelay: true };
  const socket = tls ? connectTls({ ...tcp, ...tls } as ConnectionOptions) : connect(tcp);
  await once(socket, tls ? 'secureConnect' : 'connect');
  return socket;
}

/** Sends a request and reads to the end of the connection, which the request should ask to be closed. */
export async function send(
  address: string,
  request: string | Buffer,
  options: SendOptions = {},
): Promise<Reply> {
  const socket = await open(address, options.tls);
  try {
    return await sendOn(socket, request, options);
  } finally {
    socket.destroy();
  }
}

export async function sendOn(
  socket: Socket,
  request: string | Buffer,
  options: SendOptions = {},
): Promise<Reply> {
  const bytes = Buffer.from(request as string, 'latin1');
  const chunks: Buffer[] = [];
  const timeoutMs = options.timeoutMs ?? 10_000;
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`silent for ${timeoutMs} ms`)));
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('end', resolve);
    socket.once('error', reject);
  });
  // Whether it is written at all is told by what comes back.
  ended.catch(() => {});
  if (options.pieceBytes === undefined) {
    socket.write(bytes);
  } else {
    for (let at = 0; at < bytes.length; at += options.pieceBytes) {
      socket.write(bytes.subarray(at, at + options.pieceBytes));
      // Once the kernel has it, the next piece goes out as a segment of its own (TCP_NODELAY).
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (options.halfClose) socket.end();
  await ended;
  return parseReply(Buffer.concat(chunks));
}

/** All that comes for `bytes`, in hexadecimal, to the end of the connection: a reset is an error. */
export async function answerTo(address: string, bytes: Buffer, end = false): Promise<string> {
  const socket = await open(address);
  socket.write(bytes);
  if (end) socket.end();
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('hex');
}

function parseReply(all: Buffer): Reply {
  const end = all.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`no answer in ${JSON.stringify(all.toString('latin1').slice(0, 200))}`);
  const head = all.toString('latin1', 0, end);
  const [statusLine, ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { status: Number(statusLine!.split(' ')[1]), head, headers, rest: all.subarray(end + 4), all };
}

/** Follows a 307 or a 201 once by sending the same request again, at the new address: who speaks TLS, only to https. */
export async function sendAndFollow(
  address: string,
  request: Buffer | string,
  options: SendOptions = {},
): Promise<Reply> {
  const first = await send(address, request, options);
  if (first.status !== 307 && first.status !== 201) return first;
  const location = new URL(first.headers.location!);
  const protocol = options.tls ? 'https:' : 'http:';
  if (location.protocol !== protocol) throw new Error(`sent to ${location}, not to ${protocol}`);
  return await send(location.host, request, options);
}
