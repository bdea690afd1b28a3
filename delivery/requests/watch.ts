/** A connection whose input is looked at before it is read. */
import type { IncomingMessage } from 'node:http';
import { type RequestStep, trace } from '../../shared/trace.ts';
import type { AdoptedHandle, AdoptedSocket, Watcher } from '../adopt.ts';
import type { Arrival } from '../connections.ts';
import { answerOn, isHttp1, isPaused } from '../http-connections.ts';
import { traceRequest } from '../steps.ts';

/** What is done with it: by whoever has made it. */
export interface Looker {
  look(watch: Watch): void;
  forget(watch: Watch): void;
}

export class Watch implements Watcher {
  readonly socket: AdoptedSocket;
  readonly handle: AdoptedHandle;
  readonly arrival: Arrival;
  /** Unique among all, 32 bits. */
  readonly tag: number;
  readonly #looker: Looker;
  /** What comes is looked at; else the server reads it itself, as any. */
  isOurs = false;
  /** What was said of it since it was looked at last. */
  events = 0;
  /** It is to go, and there was no room: since when, milliseconds. */
  queuedSince = 0;
  /** Something was said of it while it was held. */
  isMissed = false;
  isClosed = false;
  #begun = 0;
  #answered = 0;
  /** The last that was answered, as long as some of it is to come. */
  #request: IncomingMessage | undefined;

  constructor(socket: AdoptedSocket, arrival: Arrival, tag: number, looker: Looker) {
    this.socket = socket;
    this.handle = socket.adopted;
    this.arrival = arrival;
    this.tag = tag;
    this.#looker = looker;
  }

  messageBegins(): void {
    this.#begun++;
    this.says('request');
  }

  /** An answer has ended. */
  answered(request: IncomingMessage): void {
    this.#answered++;
    this.says('response');
    this.#request = request.complete ? undefined : request;
  }

  /** Nothing has begun that has not ended. */
  get isBetweenRequests(): boolean {
    return (
      this.#begun === this.#answered &&
      (this.#request?.complete ?? true) &&
      isHttp1(this.socket) &&
      !answerOn(this.socket) &&
      !isPaused(this.socket)
    );
  }

  /** Node reads it, and has come to the end of that. */
  get isLeft(): boolean {
    const { socket, isClosed, isOurs } = this;
    return !isClosed && !isOurs && socket.ownsHandle && !socket.isHeld && this.isBetweenRequests;
  }

  /** Into the trace, if there is one. */
  says(step: RequestStep | 'stay', bytes?: number, most?: number): void {
    if (trace) traceRequest(this.arrival, step, bytes, most);
  }

  readonly look = (): void => this.#looker.look(this);

  released(): void {
    if (this.isMissed) setImmediate(this.look);
  }

  leaves(): void {
    if (!this.isClosed) this.#looker.forget(this);
  }
}

type Hidden = Omit<AdoptedHandle, 'readStart'> & { readStart?: () => number };

const doNothing = () => 0;

/** However much its socket wishes, Node does not read it from here on. */
export function hide(handle: AdoptedHandle): void {
  (handle as Hidden).readStart = doNothing;
}

/** It is read if its socket wishes so. */
export function show(handle: AdoptedHandle): void {
  if (!Object.hasOwn(handle, 'readStart')) return;
  delete (handle as Hidden).readStart;
  if (handle.reading && handle.fd >= 0) handle.readStart();
}
