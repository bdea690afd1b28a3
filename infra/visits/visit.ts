import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { errnoName } from '../../shared/sys/libc.ts';
import { now } from './clients.ts';
import type { Answer, Conversation, Converse, Listener, Made } from './conversation.ts';
import { failureOf } from './failures.ts';
import type { LinePlan } from './line.ts';
import { Pauses } from './pauses.ts';
import type { Secured } from './secure.ts';
import { endpointsOf, type Redirects, type Target } from './target.ts';

/** How many redirects one visit follows before it gives up: as many as the fetch standard allows. */
const REDIRECTS_MAX = 20;

/** What all visits of a run share. */
export interface VisitPlan extends LinePlan {
  /** How many requests the visit of this number makes. */
  readonly requests: (number: number) => number;
  /** How long it stays, milliseconds; undefined: it leaves with its last answer. */
  readonly lifetime: ((number: number) => number) | undefined;
  /** On a WebSocket. */
  readonly messagesPerVisit: number;
  readonly redirects: Redirects;
  /** What is spoken to such a server. */
  readonly converse: (target: Target) => Converse;
  /** Ask the kernel for each connection's port, which takes it some microseconds. */
  readonly keepPorts: boolean;
  /** Each message that came back. */
  readonly onMessage: (visit: Visit, micros: number) => void;
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
export class Visit implements Listener {
  intended = 0;
  begun = 0;
  redirected = 0;
  connected = 0;
  /** The same as `connected` without TLS. */
  secured = 0;
  firstByte = 0;
  lastByte = 0;
  done = 0;

  /** The failure's name; undefined while it goes on and when it succeeded. */
  failure: string | undefined;
  /** Of the last answer that was read. */
  status = 0;
  connections = 0;
  requests = 0;
  messages = 0;
  bytes = 0;
  /** The client's port on the last connection, where the plan asks for it; else 0. */
  port = 0;
  /** The status of every answer that was followed elsewhere; undefined for none, which is the common case. */
  hops: number[] | undefined;
  /** Every handshake of TLS that was done; undefined for none. */
  handshakes: Secured[] | undefined;
  /** This process's own part of `secured` and of `firstByte`, microseconds; known of TLS, HTTP/2 and WebSocket. */
  ownSecure = 0;
  ownFirstByte = 0;
  /** What it waits by itself is in no phase and not in its total. */
  readonly #pauses = new Pauses();

  readonly #plan: VisitPlan;
  /** Connections that are being closed. */
  #leaving = 0;
  #target: Target;
  #conversation: Conversation | undefined;
  /** Answers to the request proper that were read whole; redirects are not among them. */
  #answers = 0;

  readonly #requests: number;
  /** Microseconds. */
  readonly #stay: number;

  /** It is made ready, so that it can begin at once: a client's own work before the first packet is not the server's. */
  constructor(plan: VisitPlan, target: Target, number: number) {
    this.#plan = plan;
    this.#target = target;
    this.#requests = plan.requests(number);
    this.#stay = (plan.lifetime?.(number) ?? 0) * 1000;
    this.#conversation = this.#prepare();
  }

  /** `intended`: when it was meant to. May end the visit at once, where the kernel refuses the socket. */
  begin(intended: number): void {
    this.intended = intended;
    this.begun = now();
    this.redirected = this.begun;
    if (this.failure !== undefined) this.#finish(this.failure);
    else this.#connect(this.#conversation!);
  }

  /** Closes one that never began. */
  forget(): void {
    this.#leave(() => {});
  }

  /** Ends the visit at its time limit. */
  timeOut(): void {
    this.#finish(this.#conversation?.lateFailure ?? 'timeout');
  }

  /** How long it has waited for others so far, microseconds. */
  waited(at: number): number {
    const until = this.done !== 0 ? this.done : (this.#pauses.since ?? at);
    return until - this.intended - this.paused;
  }

  get paused(): number {
    return this.#pauses.total;
  }

  /** Ends the visit from outside. */
  abandon(failure: string): void {
    if (this.done !== 0 && this.#pauses.on) this.#depart();
    else this.#finish(failure);
  }

  #connect(conversation: Conversation): void {
    this.connections++;
    const { endpoints } = this.#target;
    if (endpoints) return this.#connectTo(conversation, endpoints);
    // A name in a Location: looked up at each connection, as clients do.
    endpointsOf(this.#target).then(
      (found) => this.done === 0 && this.#connectTo(conversation, found),
      (error: NodeJS.ErrnoException) => this.#finish(failureOf(error.code ?? 'unknown')),
    );
  }

  #connectTo(conversation: Conversation, endpoints: readonly Endpoint[]): void {
    const result = conversation.connect(endpoints);
    if (result < 0) return this.#finish(failureOf(errnoName(result)));
    if (this.connections > 1) return;
    this.begun = conversation.begun;
    this.redirected = conversation.begun;
  }

  /** The visit hears nothing of a conversation that it has left. */
  #prepare(): Conversation {
    return this.#plan.converse(this.#target)(this.#plan, this.#target, this);
  }

  onConnect(at: number): void {
    if (this.#answers === 0) this.connected = at;
  }

  onReady(at: number, made?: Made): void {
    if (this.#answers === 0) this.secured = at;
    if (made) this.#made(made);
    this.#ask();
    if (this.#plan.keepPorts) this.port = this.#conversation?.port() ?? 0;
  }

  onFirstByte(at: number, work: number): void {
    if (this.#answers > 0) return;
    this.firstByte = at;
    this.ownFirstByte = work;
  }

  onFailure(name: string): void {
    if (!this.#pauses.on) this.#finish(name);
    // Nothing is going on on it: a visitor who stays has gone then, and another goes on elsewhere when it is time.
    else if (this.done !== 0) this.#depart();
    else if (this.#target.websocket) this.#finish(name);
    else this.#leaveThisOne();
  }

  /** Waits until it is time for the `index`-th of `of` things that are spread over its stay, if it is not yet. */
  #whenTime(index: number, of: number, at: number, go: () => void): void {
    const wait = this.#stay === 0 ? 0 : this.begun + (this.#stay * index) / of - now();
    if (wait < 1000) go();
    else this.#pauses.begin(at, wait, true, go);
  }

  #leaveThisOne(): void {
    this.#leaving++;
    this.#leave(() => {
      this.#leaving--;
      this.#tellIfDone();
    });
  }

  #goOnElsewhere(): void {
    this.#leaveThisOne();
    this.#conversation = this.#prepare();
    this.#connect(this.#conversation);
  }

  #made({ tls, work }: Made): void {
    if (this.#answers === 0) this.ownSecure = work;
    if (!tls) return;
    this.handshakes ??= [];
    this.handshakes.push(tls);
  }

  #ask(): void {
    this.requests++;
    this.#conversation!.ask();
  }

  /** `at`: when its last byte came. */
  onAnswer(answer: Answer, at: number): void {
    // To nothing: it has ended.
    if (this.#pauses.on) return this.onFailure('closed_early');
    const { status, location, bodyBytes, keepAlive } = answer;
    this.status = status;
    this.bytes += bodyBytes;
    if (status >= 500) this.#finish('status_5xx');
    else if (status >= 400) this.#finish('status_4xx');
    else if (this.#target.websocket) this.#upgraded(status, at);
    else if (followed.has(status) && (location !== undefined || status !== 201))
      this.#follow(status, location, at);
    else if (status >= 300) this.#finish('bad_redirect');
    else this.#goOn(keepAlive, at);
  }

  #goOn(keepAlive: boolean, at: number): void {
    this.#answers++;
    if (this.#answers === 1) this.lastByte = at;
    if (this.#answers === this.#requests) return this.#stayOn(at, keepAlive);
    this.#whenTime(this.#answers, this.#requests, at, () => {
      // The server will not take another request here, so the visitor goes on as any client does: on a new connection.
      if (keepAlive && this.#conversation) this.#ask();
      else this.#goOnElsewhere();
    });
  }

  /** All is answered; one that stays keeps its connection until its time is over, or the server does not keep it. */
  #stayOn(at: number, connected: boolean): void {
    const left = this.#stay === 0 ? 0 : this.begun + this.#stay - now();
    if (!connected || left < 1000) return this.#finish(undefined, at);
    this.done = at;
    this.#pauses.begin(at, left, false, () => this.#leaveThisOne());
  }

  /** The end of one that is done and has stayed. */
  #depart(): void {
    this.#pauses.end();
    this.#leaveThisOne();
  }

  #upgraded(status: number, at: number): void {
    if (status !== 101) return this.#finish('not_upgraded');
    this.#answers++;
    this.lastByte = at;
    this.#conversation!.say();
  }

  onMessage(micros: number, at: number): void {
    this.messages++;
    this.#plan.onMessage(this, micros);
    const { messagesPerVisit } = this.#plan;
    if (this.messages === messagesPerVisit) this.#stayOn(at, true);
    else this.#whenTime(this.messages, messagesPerVisit, at, () => this.#conversation!.say());
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
    if (this.#answers === 0) this.redirected = at;
    this.#goOnElsewhere();
  }

  #leave(left: () => void): void {
    const conversation = this.#conversation;
    this.#conversation = undefined;
    if (conversation) conversation.close(left);
    else left();
  }

  #finish(failure: string | undefined, at = now()): void {
    if (this.done !== 0) return;
    this.failure = failure;
    // One that fails while it is made ready fails when it is its time.
    if (this.begun === 0) return;
    this.#pauses.end(at);
    this.done = at;
    this.#leaveThisOne();
  }

  /** When nothing of its connections is left. */
  #tellIfDone(): void {
    if (this.done !== 0 && this.#leaving === 0) this.#plan.onDone(this);
  }
}
