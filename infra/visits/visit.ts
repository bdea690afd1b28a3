import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { errnoName } from '../../shared/sys/libc.ts';
import { connectToAny } from './addresses.ts';
import { type Client, type Clients, now } from './clients.ts';
import { ownErrors } from './own-limits.ts';
import { ResponseParser } from './response.ts';
import { endpointsOf, type Redirects, type Target } from './target.ts';

/** How many redirects one visit follows before it gives up: as many as the fetch standard allows. */
const REDIRECTS_MAX = 20;

/** What all visits of a run share. */
export interface VisitPlan {
  readonly requestsPerVisit: number;
  readonly redirects: Redirects;
  readonly clients: Clients;
  /** Ask the kernel for each connection's port, which takes it some microseconds. */
  readonly keepPorts: boolean;
  /** Called once, when the visit is over. */
  readonly onDone: (visit: Visit) => void;
}

/** The statuses whose Location a client follows with the same GET, and 201, which clients do not follow by themselves. */
const followed = new Set([301, 302, 303, 307, 308, 201]);

/**
 * What one person does: connect, ask, follow any redirect on a new connection, read the whole answer, perhaps ask again
 * on the last connection. The moments are microseconds of `now()`; those of a redirect are overwritten by the
 * connection that follows it, and `redirected` keeps when that began.
 */
export class Visit {
  readonly intended: number;
  begun: number;
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
  #client: Client | undefined;
  /** Answers to the request proper that were read whole; redirects are not among them. */
  #answers = 0;
  #awaitingFirstByte = false;
  /** When bytes came last on this connection. */
  #lastArrival = 0;

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
    const { endpoints } = this.#target;
    if (endpoints) return this.#connectTo(endpoints);
    // A name in a Location: looked up at each connection, as clients do.
    endpointsOf(this.#target).then(
      (found) => this.done === 0 && this.#connectTo(found),
      (error: NodeJS.ErrnoException) => this.#finish(nameOf(error.code ?? 'unknown')),
    );
  }

  #connectTo(endpoints: readonly Endpoint[]): void {
    // Handlers are not called any more once the visit has left the connection.
    const client = connectToAny(this.#plan.clients, endpoints, {
      onConnect: (at) => {
        if (this.#answers === 0) this.connected = at;
        this.#ask();
        if (this.#plan.keepPorts) this.port = this.#client!.port();
      },
      onBytes: (bytes, length, at) => this.#read(bytes, length, at),
      onEnd: () => {
        if (this.#parser.end()) this.#answered(this.#lastArrival);
        else this.#finish('closed_early');
      },
      onFailure: (result) => this.#finish(nameOf(errnoName(result))),
    });
    if (typeof client === 'number') return this.#finish(nameOf(errnoName(client)));
    this.#client = client;
    if (this.connections > 1) return;
    this.begun = client.begun;
    this.redirected = client.begun;
  }

  #ask(): void {
    this.requests++;
    this.#awaitingFirstByte = true;
    this.#client!.send(this.#target.request);
  }

  #read(bytes: Buffer, length: number, at: number): void {
    this.#lastArrival = at;
    if (this.#awaitingFirstByte) {
      this.#awaitingFirstByte = false;
      if (this.#answers === 0) this.firstByte = at;
    }
    const stop = this.#parser.read(bytes, 0, length);
    if (this.#parser.bad || stop < length) this.#finish('bad_answer');
    else if (this.#parser.complete) this.#answered(at);
  }

  /** `at`: when its last byte came. */
  #answered(at: number): void {
    const { status, location, bodyBytes } = this.#parser;
    this.status = status;
    this.bytes += bodyBytes;
    if (status >= 500) this.#finish('status_5xx');
    else if (status >= 400) this.#finish('status_4xx');
    else if (followed.has(status) && (location !== undefined || status !== 201))
      this.#follow(status, location, at);
    else if (status >= 300) this.#finish('bad_redirect');
    else this.#goOn(at);
  }

  #goOn(at: number): void {
    this.#answers++;
    if (this.#answers === 1) this.lastByte = at;
    if (this.#answers === this.#plan.requestsPerVisit) {
      this.#finish(undefined, at);
    } else if (this.#parser.keepAlive) {
      this.#parser.reset();
      this.#ask();
    } else {
      // The server will not take another request here, so the visitor goes on as any client does: on a new connection.
      this.#leave();
      this.#connect();
    }
  }

  #follow(status: number, location: string | undefined, at: number): void {
    this.hops ??= [];
    this.hops.push(status);
    const target = location === undefined ? undefined : this.#plan.redirects.follow(location, this.#target);
    if (target === undefined || this.hops.length > REDIRECTS_MAX) {
      this.#finish(target === undefined ? 'bad_redirect' : 'too_many_redirects');
      return;
    }
    this.#target = target;
    this.#leave();
    if (this.#answers === 0) this.redirected = at;
    this.#connect();
  }

  #leave(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #finish(failure: string | undefined, at = now()): void {
    if (this.done !== 0) return;
    this.done = at;
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
  ...ownErrors,
  ENOTFOUND: 'name_unknown',
  EAI_AGAIN: 'name_unknown',
};

/** A failure that is not in the list keeps the kernel's own name, so that nothing hides behind "other". */
const nameOf = (code: string): string => names[code] ?? code.toLowerCase();
