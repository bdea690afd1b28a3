import { connect, type Socket } from 'node:net';
import { ResponseParser } from './response.ts';
import type { Redirects, Target } from './target.ts';

/** Microseconds on the monotonic clock; only differences mean anything. */
export const now = (): number => performance.now() * 1000;

/** How many redirects one visit follows before it gives up: as many as the fetch standard allows. */
const maxRedirects = 20;

/** What all visits of a run share. */
export interface VisitPlan {
  readonly requestsPerVisit: number;
  readonly redirects: Redirects;
  /** Ask the kernel for each connection's port, which takes it some microseconds. */
  readonly keepPorts: boolean;
  /** Called once, when the visit is over. */
  readonly onDone: (visit: Visit) => void;
}

/** Every visit reads into the same memory: the bytes of an answer are counted, never kept. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** The statuses whose Location a client follows with the same GET, and 201, which clients do not follow by themselves. */
const followed = new Set([301, 302, 303, 307, 308, 201]);

/**
 * What one person does: connect, ask, follow any redirect on a new connection, read the whole answer, perhaps ask again
 * on the last connection. The moments are microseconds of `now()`; those of a redirect are overwritten by the
 * connection that follows it, and `redirected` keeps when that began.
 */
export class Visit {
  readonly intended: number;
  readonly begun: number;
  redirected = 0;
  connected = 0;
  firstByte = 0;
  lastByte = 0;
  done = 0;

  /** The failure's name; undefined while it goes on and when it succeeded. */
  failure: string | undefined;
  /** Of the last answer that was read. */
  status = 0;
  connections = 0;
  requests = 0;
  bytes = 0;
  /** The client's port on the last connection, where the plan asks for it; else 0. */
  port = 0;
  /** The status of every answer that was followed elsewhere; undefined for none, which is the common case. */
  hops: number[] | undefined;

  readonly #plan: VisitPlan;
  readonly #parser = new ResponseParser();
  #target: Target;
  #socket: Socket | undefined;
  /** Answers to the request proper that were read whole; redirects are not among them. */
  #answers = 0;
  #awaitingFirstByte = false;

  constructor(plan: VisitPlan, target: Target, intended: number) {
    this.#plan = plan;
    this.#target = target;
    this.intended = intended;
    this.begun = now();
    this.redirected = this.begun;
  }

  /** May end the visit at once, where the kernel refuses the socket. */
  begin(): void {
    this.#connect();
  }

  /** Ends the visit from outside, e.g. at its time limit. */
  abandon(failure: string): void {
    this.#finish(failure);
  }

  #connect(): void {
    this.connections++;
    this.#parser.reset();
    let socket: Socket;
    try {
      socket = connect({
        host: this.#target.host,
        port: this.#target.port,
        onread: {
          buffer: readBuffer,
          callback: (length) => {
            if (this.#socket === socket) this.#read(length);
            return true;
          },
        },
      });
    } catch (error) {
      this.#finish(failureName(error));
      return;
    }
    this.#socket = socket;
    socket.on('connect', () => {
      if (this.#socket !== socket) return;
      if (this.#answers === 0) this.connected = now();
      this.#ask(socket);
      if (this.#plan.keepPorts) this.port = socket.localPort ?? 0;
    });
    socket.on('end', () => {
      if (this.#socket !== socket) return;
      if (this.#parser.end()) this.#answered();
      else this.#finish('closed_early');
    });
    socket.on('error', (error) => {
      if (this.#socket === socket) this.#finish(failureName(error));
    });
  }

  #ask(socket: Socket): void {
    this.requests++;
    this.#awaitingFirstByte = true;
    socket.write(this.#target.request);
  }

  #read(length: number): void {
    if (this.#awaitingFirstByte) {
      this.#awaitingFirstByte = false;
      if (this.#answers === 0) this.firstByte = now();
    }
    const stop = this.#parser.read(readBuffer, 0, length);
    if (this.#parser.bad || stop < length) this.#finish('bad_answer');
    else if (this.#parser.complete) this.#answered();
  }

  #answered(): void {
    const { status, location, bodyBytes } = this.#parser;
    this.status = status;
    this.bytes += bodyBytes;
    if (status >= 500) this.#finish('status_5xx');
    else if (status >= 400) this.#finish('status_4xx');
    else if (followed.has(status) && (location !== undefined || status !== 201))
      this.#follow(status, location);
    else if (status >= 300) this.#finish('bad_redirect');
    else this.#goOn();
  }

  #goOn(): void {
    this.#answers++;
    if (this.#answers === 1) this.lastByte = now();
    if (this.#answers === this.#plan.requestsPerVisit) {
      this.#finish(undefined);
    } else if (this.#parser.keepAlive) {
      this.#parser.reset();
      this.#ask(this.#socket!);
    } else {
      // The server will not take another request here, so the visitor goes on as any client does: on a new connection.
      this.#leave();
      this.#connect();
    }
  }

  #follow(status: number, location: string | undefined): void {
    this.hops ??= [];
    this.hops.push(status);
    const target = location === undefined ? undefined : this.#plan.redirects.follow(location, this.#target);
    if (target === undefined || this.hops.length > maxRedirects) {
      this.#finish(target === undefined ? 'bad_redirect' : 'too_many_redirects');
      return;
    }
    this.#target = target;
    this.#leave();
    if (this.#answers === 0) this.redirected = now();
    this.#connect();
  }

  #leave(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  #finish(failure: string | undefined): void {
    if (this.done !== 0) return;
    this.done = now();
    this.failure = failure;
    this.#leave();
    this.#plan.onDone(this);
  }
}

const names: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'connect_timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  // These three are this machine's limits, not the server's.
  EADDRNOTAVAIL: 'no_port',
  EMFILE: 'no_file_descriptor',
  ENFILE: 'no_file_descriptor',
  ENOTFOUND: 'name_unknown',
  EAI_AGAIN: 'name_unknown',
};

/** A failure that is not in the list keeps the kernel's own name, so that nothing hides behind "other". */
function failureName(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return names[code] ?? code.toLowerCase();
}
