/**
 * Gives a delivery's connections back to its head, which moves them on: those that are between two requests, as soon as they are,
 * and those of which the application says what another one of its kind needs to go on with them.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server, Socket } from 'node:net';
import { Packr } from 'msgpackr/pack';
import { trace } from '../shared/trace.ts';
import { STATE_MAX } from '../shared/wire/way-back.ts';
import { AdoptedSocket } from './adopt.ts';
import { apart, type Log } from './apart.ts';
import type { Arrival, Connections } from './connections.ts';
import { type Held, hold, isAtRest } from './held.ts';
import { answerOn, isHttp1, socketsBetweenRequests, speaksHttp2, speaksTls } from './http-connections.ts';
import { traceGive, traceStay } from './steps.ts';
import type { WayBack } from './way-back.ts';

const LOOK_EVERY_MS = 50;
/** Where nobody can take one, the others wait for so long before they are offered, and for twice as long each time. */
const REST_MS = 50;
const REST_MAX_MS = 2000;
/** A client that is never between two requests (it pipelines) is told to go by its next answer when others could be taken for so long. */
const BUSY_MS = 2000;
const FINISHED = 'http.server.response.finish';

const packr = new Packr({ useRecords: false });

/** The state of its connection for whoever gets it, at most 32 kB as MessagePack; or 'not-now'. */
export type OnMove = (socket: Socket) => unknown;

export interface MoverParts {
  readonly server: Server;
  readonly connections: Connections;
  /** Of the head that it has now; none: nothing can move. */
  readonly waysBack: () => readonly WayBack[];
  readonly onMove: OnMove | undefined;
  readonly log: Log;
}

interface Candidate {
  readonly socket: AdoptedSocket;
  readonly arrival: Arrival;
  /** When it was looked at. */
  readonly bytesRead: number;
}

export class Mover {
  readonly #parts: MoverParts;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #more: NodeJS.Immediate | undefined;
  /** Those that could move when it was looked last, and have not been given. */
  #queue: Candidate[] = [];
  /** From then on somebody could take what is between two requests. */
  #busySince = 0;
  #turn = 0;
  #restMs = 0;
  #restUntil = 0;
  #hasToldOfSize = false;

  constructor(parts: MoverParts) {
    this.#parts = parts;
  }

  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  start(): void {
    if (this.#timer) return;
    this.#busySince = performance.now();
    this.#restMs = this.#restUntil = 0;
    subscribe(FINISHED, this.#onFinished);
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    unsubscribe(FINISHED, this.#onFinished);
  }

  /** Nobody could take the last one. */
  get isDeclined(): boolean {
    return this.#restMs > 0;
  }

  /** It moves when this mover is started, as far as can be known. */
  wouldMove(socket: Socket): boolean {
    return this.#parts.waysBack().length > 0 && this.#canMove(socket);
  }

  /** It is to move, and not to be told to go elsewhere: it can, and there is hope that its time comes. */
  spares(socket: Socket): boolean {
    if (!this.isOn || !this.wouldMove(socket)) return false;
    // With an answer on its way when the next request comes it has no boundary.
    return !isHttp1(socket) || !answerOn(socket) || performance.now() - this.#busySince < BUSY_MS;
  }

  /** How many there are that would move, but for what they are in the middle of; and how many stay. */
  left(): { busy: number; stays: number } {
    let stays = 0;
    let all = 0;
    this.#parts.connections.each((socket) => {
      all++;
      if (!this.#canMove(socket)) stays++;
    });
    return { busy: all - stays, stays };
  }

  #canMove(socket: Socket): boolean {
    if (!(socket instanceof AdoptedSocket)) return false;
    return isHttp1(socket) || (this.#parts.onMove !== undefined && !this.#isForSessions);
  }

  /** TLS and HTTP/2 have a state that nobody can take out of them. */
  get #isForSessions(): boolean {
    const { server } = this.#parts;
    return speaksTls(server) || speaksHttp2(server);
  }

  /** An answer has ended: all that have in this turn of the event loop are looked at before anything more is read. */
  readonly #onFinished: Parameters<typeof subscribe>[1] = (message) => {
    if ((message as { server: Server }).server === this.#parts.server)
      this.#immediate ??= setImmediate(() => this.#look());
  };

  #look(): void {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#queue = [];
    if (!this.#mayGive) return;
    const idle = socketsBetweenRequests(this.#parts.server);
    this.#parts.connections.each((socket, arrival) => {
      if (!isHttp1(socket) || idle.has(socket))
        this.#queue.push({ socket, arrival, bytesRead: socket.bytesRead });
    });
    this.#giveQueued();
  }

  get #mayGive(): boolean {
    return this.isOn && performance.now() >= this.#restUntil;
  }

  /** As many as there is room for on their way; each word that comes back makes room for more. */
  readonly #giveQueued = (): void => {
    this.#more = undefined;
    let isRoom = true;
    while (isRoom && this.#mayGive) {
      const next = this.#queue.pop();
      if (!next) return;
      apart(() => {
        if (this.#give(next) !== 'full') return;
        isRoom = false;
        this.#queue.push(next);
      });
    }
  };

  #give({ socket, arrival, bytesRead }: Candidate): 'full' | undefined {
    const ways = this.#parts.waysBack();
    if (ways.length === 0 || !isAtRest(socket)) return undefined;
    let state: Uint8Array | undefined;
    if (isHttp1(socket)) {
      // It was between two requests, and nothing has come since.
      if (socket.bytesRead !== bytesRead || answerOn(socket)) return undefined;
    } else {
      state = this.#stateOf(socket);
      if (!state) return undefined;
    }
    // Asking may have changed it.
    const held = hold(socket);
    if (!held) return undefined;
    const at = trace?.now();
    // Of what an earlier head had handed over any worker of this one knows as much.
    const way = arrival.wayBack ?? ways[++this.#turn % ways.length]!;
    const settle = (isMoved: boolean) => this.#settle(held, isMoved, socket, arrival);
    const how = way.give({ fd: held.fd, id: arrival.id, state, settle });
    if (how === 'given' && at !== undefined) traceGive(at, arrival, state);
    if (how === 'given') return undefined;
    held.release();
    return how === 'full' ? how : undefined;
  }

  #settle(held: Held, isMoved: boolean, socket: Socket, arrival: Arrival): void {
    if (isMoved) {
      this.#restMs = 0;
      this.#more ??= setImmediate(this.#giveQueued);
      return apart(held.letGo);
    }
    this.#restMs = Math.min(Math.max(this.#restMs * 2, REST_MS), REST_MAX_MS);
    this.#restUntil = performance.now() + this.#restMs;
    // Nobody is told to go to a head that has nobody for him.
    this.#busySince = this.#restUntil;
    if (trace && !socket.destroyed) traceStay(arrival);
    apart(held.release);
  }

  #stateOf(socket: AdoptedSocket): Uint8Array | undefined {
    const { onMove, log, connections } = this.#parts;
    if (!onMove || this.#isForSessions) return undefined;
    const value = onMove(socket);
    if (value === undefined || value === 'not-now') return undefined;
    const bytes = packr.pack(value);
    if (bytes.length <= STATE_MAX) return bytes;
    if (!this.#hasToldOfSize)
      log.warn(
        { delivery: connections.delivery },
        `a connection stays: its state has ${bytes.length} bytes, and ${STATE_MAX} can move`,
      );
    this.#hasToldOfSize = true;
    return undefined;
  }
}
