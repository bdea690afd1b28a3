/**
 * How an HTTP/2 server takes leave of its sessions: by GOAWAY, which names the last request that is answered (RFC 9113
 * section 6.8); what comes after that is refused, and its client knows that it may ask somebody else. Clients that do not
 * know what to do then should lose no request either. So GOAWAY is sent when none is likely to be on its way: right after
 * one has come, or when nothing has been heard for a while. (A first GOAWAY that forbids nothing yet, as the section
 * advises, is no way here: nghttp2 reads nothing more of a session that is idle then.)
 */
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { apart } from './apart.ts';
import { sessionsOf } from './http-connections.ts';
import { isQuiet } from './quiet.ts';

/** Sessions may begin meanwhile, of clients in the midst of a handshake. */
const LOOK_EVERY_MS = 50;
/** One that is busy with what came before, without a pause, is told after this long. */
const BUSY_MS = 1000;

export class SessionsFarewell {
  readonly #server: Server;
  readonly #concerns: (socket: Socket) => boolean;
  readonly #timer: NodeJS.Timeout;
  /** Sessions that are to be told, and since when. */
  readonly #since = new Map<ServerHttp2Session, number>();

  constructor(server: Server, concerns: (socket: Socket) => boolean) {
    this.#server = server;
    this.#concerns = concerns;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  #look(): void {
    const now = performance.now();
    for (const session of sessionsOf(this.#server))
      if (!session.closed) apart(() => this.#lookAt(session, now));
  }

  #lookAt(session: ServerHttp2Session, now: number): void {
    const socket = session.socket as Socket;
    const since = this.#since.get(session);
    if (since === undefined) {
      if (!this.#concerns(socket)) return;
      this.#since.set(session, now);
      session.on('stream', this.#onStream);
      session.once('close', () => this.#since.delete(session));
    }
    if (isQuiet(socket) || now - (since ?? now) > BUSY_MS) session.close();
  }

  readonly #onStream = ({ session }: { session?: unknown }): void => {
    // Those that came with it are answered as well.
    setImmediate(() => apart(() => (session as ServerHttp2Session | undefined)?.close()));
  };

  end(): void {
    clearInterval(this.#timer);
    for (const session of this.#since.keys()) session.off('stream', this.#onStream);
  }
}
