/** Visits by HTTP/2: over TLS when the server chooses it there (ALPN), else with prior knowledge (RFC 9113 section 3.3). */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import type { Conversation, Converse, Listener } from './conversation.ts';
import { Line, type LinePlan } from './line.ts';
import type { Target } from './target.ts';

/** As browsers have them: with the default of 64 KiB a far server would wait for this side. */
const STREAM_WINDOW = 6 * 1024 * 1024;
const CONNECTION_WINDOW = 15 * 1024 * 1024;

type Head = IncomingHttpHeaders & IncomingHttpStatusHeader;

class Http2 implements Conversation {
  readonly #line: Line;
  readonly #listener: Listener;
  readonly #url: URL;
  readonly #headers: OutgoingHttpHeaders;
  #session: ClientHttp2Session | undefined;
  /** The server takes no further requests on this connection. */
  #leaving = false;

  constructor(plan: LinePlan, target: Target, listener: Listener) {
    this.#listener = listener;
    this.#url = new URL(target.url);
    this.#headers = headersOf(target, this.#url);
    this.#line = new Line(plan, target, ['h2', 'http/1.1'], {
      onConnect: (at) => listener.onConnect(at),
      onReady: (at, tls) => {
        if (tls !== undefined && tls.protocol !== 'h2') return this.#fail('no_http2');
        const work = this.#line.wire.takeWork();
        this.#open();
        listener.onReady(at, { tls, work });
      },
      onFailure: (name) => listener.onFailure(name),
    });
  }

  connect(endpoints: readonly Endpoint[]): number {
    return this.#line.connect(endpoints);
  }

  #open(): void {
    const session = connect(this.#url.origin, {
      createConnection: () => this.#line.stream,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
    });
    this.#session = session;
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on('goaway', () => {
      this.#leaving = true;
    });
    session.on('error', (error: NodeJS.ErrnoException) => this.#fail(failureOfSession(error)));
    session.on('close', () => this.#fail('closed_early'));
  }

  ask(): void {
    const { wire } = this.#line;
    const stream = this.#session!.request(this.#headers, { endStream: true });
    let head: Head | undefined;
    let bodyBytes = 0;
    stream.on('response', (found) => {
      head = found;
      this.#listener.onFirstByte(wire.began, wire.takeWork());
    });
    stream.on('data', (bytes: Buffer) => {
      bodyBytes += bytes.length;
    });
    let ended = 0;
    stream.on('end', () => {
      ended = wire.arrived;
    });
    // A stream that is reset ends as well: only when it has closed is it known whether that was all.
    stream.on('close', () => {
      // What is wrong with a session it tells itself, after this.
      if (this.#line.closed || this.#session!.destroyed) return;
      if (head === undefined || ended === 0 || !isWhole(stream, head, bodyBytes))
        return this.#fail(failureOf(stream));
      this.#listener.onAnswer(
        {
          status: head[':status'] ?? 0,
          location: head.location,
          bodyBytes,
          keepAlive: !this.#leaving && !this.#session!.closed && !this.#session!.destroyed,
        },
        ended,
      );
    });
    stream.on('error', () => {});
  }

  #fail(name: string): void {
    if (this.#line.closed) return;
    this.#line.fail(name);
  }

  say(): void {}

  get begun(): number {
    return this.#line.wire.begun;
  }

  get lateFailure(): string | undefined {
    return this.#line.lateFailure;
  }

  port(): number {
    return this.#line.wire.port();
  }

  close(closed: () => void): void {
    this.#session?.destroy();
    this.#line.close(closed);
  }
}

export const converseByHttp2: Converse = (plan, target, listener) => new Http2(plan, target, listener);

function headersOf(
  { authorization }: Target,
  { host, pathname, search, protocol }: URL,
): OutgoingHttpHeaders {
  return {
    ':method': 'GET',
    ':scheme': protocol.slice(0, -1),
    ':authority': host,
    ':path': `${pathname}${search}`,
    'user-agent': 'baton-visit',
    accept: '*/*',
    ...(authorization === undefined ? {} : { authorization }),
  };
}

/** By code (RFC 9113 section 7). */
const reasons = [
  'no_error',
  'protocol_error',
  'internal_error',
  'flow_control_error',
  'settings_timeout',
  'stream_closed',
  'frame_size_error',
  'refused_stream',
  'cancel',
  'compression_error',
  'connect_error',
  'enhance_your_calm',
  'inadequate_security',
  'http_1_1_required',
] as const;

/** Without a length, one that is reset as if nothing were wrong cannot be told from one that has ended. */
function isWhole({ aborted, rstCode }: ClientHttp2Stream, head: Head, bodyBytes: number): boolean {
  const length = head['content-length'];
  return (
    !aborted &&
    rstCode === constants.NGHTTP2_NO_ERROR &&
    (length === undefined || Number(length) === bodyBytes)
  );
}

/** `http2_refused_stream`, `http2_internal_error`, ... Where nothing was wrong there was no whole answer. */
function failureOf({ rstCode }: ClientHttp2Stream): string {
  const reason = reasons[rstCode ?? 0];
  return reason === 'no_error' || reason === 'cancel' ? 'closed_early' : `http2_${reason ?? rstCode}`;
}

function failureOfSession({ code }: NodeJS.ErrnoException): string {
  return code === 'ECONNRESET' ? 'reset' : code === 'ERR_HTTP2_SESSION_ERROR' ? 'http2_goaway' : 'bad_answer';
}
