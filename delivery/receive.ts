/**
 * `receiveConnections`: a head's connections for a server that exists already. Each connection that is handed over is
 * emitted as `connection` on the server, which cannot tell it from one that it accepted itself: an Express, Fastify,
 * Koa or plain `http.Server` serves it unchanged.
 */
import type { Server, Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { createLogger } from '../shared/log.ts';
import type { Introduction } from '../shared/wire/control.ts';
import { Admission } from './admit.ts';
import { apart, carefully, type Log } from './apart.ts';
import { type Arrival, Connections, connectionInfo } from './connections.ts';
import { type Farewell, sayFarewell } from './farewell.ts';
import { Feed } from './feed.ts';
import { type FarHeads, findHeads } from './head-address.ts';
import { trackConnections } from './http-connections.ts';
import { directAddress, introduce } from './introduce.ts';
import { Mover } from './mover.ts';
import type { ReceiveOptions, Receiver } from './receive-options.ts';
import { Registrations } from './registrations.ts';
import { Distributor } from './requests/distributor.ts';
import { followServer, type ServerLife } from './server-life.ts';
import { spareIdle } from './spare-idle.ts';
import { shareTickets } from './tickets.ts';
import { DeliveryWayBack } from './way-back.ts';

/** With fewer credits left the head hears of each connection's end at once. */
const FEW_CREDITS = 64;
/** Sockets that were destroyed say so within a turn of the event loop, milliseconds. */
const DESTROYED_WITHIN_MS = 100;
/** How often it is looked whether all have moved, milliseconds. */
const MOVED_LOOK_MS = 20;
/** The longest that a timer can wait, milliseconds. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** As `receiveConnections`. `farHeads`: for heads on other hosts. */
export const receive = (server: Server, options: ReceiveOptions, farHeads: FarHeads | undefined): Receiver =>
  new Receiving(server, options, farHeads);

class Receiving implements Receiver {
  readonly name: string;
  readonly #server: Server;
  readonly #options: ReceiveOptions;
  readonly #log: Log;
  readonly #connections: Connections;
  readonly #introduction: Introduction;
  readonly #feed: Feed;
  readonly #registration: Registrations;
  readonly #life: ServerLife;
  readonly #mover: Mover;
  readonly #distributor: Distributor;
  /** Of those that cannot move, while an operator has the others moved. */
  #farewell: Farewell | undefined;
  /** It takes leave because the server closes: so do the clients that came to the server itself. */
  #serverCloses = false;
  #leaving: Promise<void> | undefined;
  /** Ends a leave whose server has come back. */
  #return = new AbortController();
  #closed: Promise<void> | undefined;
  /** Whatever is left then is closed. */
  readonly #late = Promise.withResolvers<void>();
  readonly #deadlines: NodeJS.Timeout[] = [];
  #whenEmpty: (() => void)[] = [];
  #readyIsAwaited = false;

  constructor(server: Server, options: ReceiveOptions, farHeads: FarHeads | undefined) {
    this.#server = server;
    this.#options = options;
    this.#log = carefully(options.log ?? createLogger('delivery'));
    this.#introduction = introduce(server, options);
    if (options.ticketSecret !== undefined)
      shareTickets(server, options.ticketSecret, this.#introduction.serves ?? []);
    this.name = this.#introduction.name;
    this.#connections = new Connections(this.name, (arrival) => this.#onClosed(arrival));
    const admission = new Admission(server, this.#connections, this.#log, options.onMoved);
    this.#feed = new Feed(admission, this.#connections);
    this.#registration = new Registrations({
      heads: findHeads(options, this.#log, farHeads),
      log: this.#log,
      introduce: () => this.#introduceNow(),
      countActive: () => this.#connections.count,
      events: {
        feed: this.#feed,
        isShort: (unreported) => this.#isShort(unreported),
        countDirect: (answer) => answer(admission.direct),
        onMove: (on) => this.#onMoveWish(on),
        onDistribute: () => this.#distributor.changed(),
        countLeft: () => (this.#mover.isOn ? this.#mover.left() : undefined),
      },
      moves: options.onMove ? 'state' : 'plain',
    });
    this.#mover = new Mover({
      server,
      connections: this.#connections,
      waysBack: () => this.#registration.waysBack,
      onMove: options.onMove,
      log: this.#log,
    });
    this.#distributor = new Distributor({
      server,
      admission,
      connections: this.#connections,
      waysBack: () => this.#registration.waysBack.filter((way) => way instanceof DeliveryWayBack),
    });
    trackConnections(server);
    this.#life = followServer(server, {
      onListening: () => this.#onListening(),
      onClosing: () => this.#onClosing(),
      onRef: (isRef) => this.#registration.ref(isRef),
      isBusy: () => this.#registration.isIn || this.#leaving !== undefined || this.#connections.count > 0,
    });
    this.#registration.ref(this.#life.isRef);
    this.#registration.ready.catch((error: Error) => {
      if (!this.#readyIsAwaited && !this.#closed && !this.#serverCloses)
        this.#log.error({ delivery: this.name }, error.message);
    });
    // A server that was told to listen right before does so by then.
    setImmediate(() => !this.#closed && !this.#serverCloses && this.#registration.start());
  }

  get connections(): number {
    return this.#connections.count;
  }

  get credits(): number {
    return this.#introduction.credits;
  }

  get registered(): boolean {
    return this.#registration.isRegistered;
  }

  /** Who asks for it is told by it what is wrong, and the log need not. */
  get ready(): Promise<void> {
    this.#readyIsAwaited = true;
    return this.#registration.awaitReady();
  }

  #introduceNow(): Introduction {
    if (this.#options.direct !== undefined) return this.#introduction;
    let { direct } = this.#introduction;
    apart(() => {
      direct = directAddress(this.#server);
    });
    return { ...this.#introduction, direct };
  }

  #isShort(unreported: number): boolean {
    const { credits } = this.#introduction;
    return credits - this.#connections.count - unreported < Math.min(FEW_CREDITS, credits / 4);
  }

  #onClosed(arrival: Arrival): void {
    if (!arrival.closed()) this.#registration.formerEnded();
    if (this.#connections.count > 0) return;
    if (this.#whenEmpty.length > 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
    this.#life.check();
  }

  /** Its address is another one now; or it was closed, and is back. */
  #onListening(): void {
    if (this.#closed) return;
    this.#serverCloses = false;
    this.#return.abort();
    this.#return = new AbortController();
    this.#leaving = undefined;
    if (this.#registration.isIn) void this.#registration.renew();
    else this.#registration.start();
  }

  #onClosing(): void {
    this.#serverCloses = true;
    void this.#leave();
  }

  close(withinMs = 10_000): Promise<void> {
    if (withinMs <= TIMER_MAX_MS) this.#deadlines.push(setTimeout(() => this.#late.resolve(), withinMs));
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#leave();
    for (const deadline of this.#deadlines) clearTimeout(deadline);
    this.#life.end();
    this.#distributor.end();
    this.#feed.end();
  }

  #leave(): Promise<void> {
    if (this.#leaving) return this.#leaving;
    const leaving = this.#takeLeave(this.#return.signal).finally(() => {
      if (this.#leaving === leaving) this.#leaving = undefined;
      this.#life.check();
    });
    this.#leaving = leaving;
    return leaving;
  }

  async #takeLeave(returned: AbortSignal): Promise<void> {
    const { move } = this.#options;
    // Right behind this, or before long, its server is closed, and closes what is idle.
    const endSparing = move ? spareIdle(this.#server, (socket) => this.#wouldMove(socket)) : undefined;
    // What is answered in the same breath as the server is closed is answered as it would be without a head.
    if (this.#serverCloses) await nextTurn();
    const isLeaving = (socket: Socket) => this.#serverCloses || this.#isOurs(socket);
    if (move) this.#mover.start();
    let farewell = sayFarewell(this.#server, (socket) => isLeaving(socket) && !this.#mover.spares(socket));
    const back = new Promise<void>((resolve) => returned.addEventListener('abort', () => resolve()));
    void back.then(() => {
      farewell.end();
      this.#mover.stop();
    });
    const { promise: late } = this.#late;
    await this.#registration.leave(late, () => this.#untilMoved(returned));
    endSparing?.();
    if (this.#mover.isOn && !returned.aborted) {
      this.#mover.stop();
      farewell.end();
      // What is in the middle of its answer is told as well.
      farewell = sayFarewell(this.#server, isLeaving);
    }
    if (this.#connections.count > 0 && !returned.aborted) {
      const empty = new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
      await Promise.race([empty, late, back]);
      if (this.#connections.count > 0 && !returned.aborted) {
        this.#connections.destroyAll();
        await Promise.race([empty, delay(DESTROYED_WITHIN_MS)]);
      }
    }
    farewell.end();
    this.#mover.stop();
  }

  /** Nothing is left that could move, or nobody can have it. */
  async #untilMoved(returned: AbortSignal): Promise<void> {
    while (this.#mover.isOn && !this.#mover.isDeclined && this.#registration.waysBack.length > 0) {
      if (this.#mover.left().busy === 0 || returned.aborted) return;
      await delay(MOVED_LOOK_MS);
    }
  }

  /** An operator's. */
  #onMoveWish(on: boolean): void {
    this.#farewell?.end();
    this.#farewell = undefined;
    if (!on) return this.#leaving ? undefined : this.#mover.stop();
    this.#mover.start();
    this.#farewell = sayFarewell(
      this.#server,
      (socket) => this.#isOurs(socket) && !this.#mover.spares(socket),
    );
  }

  #wouldMove(socket: Socket): boolean {
    return this.#isOurs(socket) && this.#mover.wouldMove(socket);
  }

  #isOurs(socket: Socket): boolean {
    return connectionInfo(socket)?.delivery === this.name;
  }
}
