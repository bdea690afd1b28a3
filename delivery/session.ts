/**
 * One registration with a head of this host: says hello, gets its lanes, answers the head, until one of the two ends it.
 * Nothing of it keeps the process alive: that is the registration's to decide.
 */
import { trace } from '../shared/trace.ts';
import { type Channel, openChannel } from '../shared/wire/channel.ts';
import { decodeFromHead, type FromHead, type Hello } from '../shared/wire/control.ts';
import type { Arrival } from './connections.ts';
import type { Feed } from './feed.ts';
import { DeliveryLane } from './lane.ts';
import { Standing } from './requests/standing.ts';
import { traceFinish, traceJoin } from './steps.ts';
import { DeliveryWayBack, type WayBack } from './way-back.ts';
import { beWelcomed, type Welcome } from './welcome.ts';

/** How long a head may take to end its lanes when the delivery leaves, milliseconds. */
const LEFT_WITHIN_MS = 1000;

export interface SessionEvents {
  /** Gets the connections that are this process's own. */
  readonly feed: Feed;
  /** Few credits are left as the head sees it, which has not heard of `unreported` connections that have ended. */
  isShort(unreported: number): boolean;
  /** Calls back with the number of connections that came to the direct address. */
  countDirect(answer: (count: number) => void): void;
  /** An operator wants this delivery's connections to move, or no more of them. */
  onMove(on: boolean): void;
  /** While they do: those that have not. */
  countLeft(): { busy: number; stays: number } | undefined;
  /** What `standing` of the ways back says has changed. */
  onDistribute(): void;
  /** Another head is about to take over, and lets in who comes to the same address. */
  onSuccessor(): void;
  /** It is over, whoever has ended it, and every lane is closed. `hasSuccessor`: another head listens there already. */
  onEnd(reason: string, hasSuccessor: boolean): void;
}

export interface Session {
  /** Over which connections can be given back; none where they cannot. */
  readonly waysBack: readonly WayBack[];
  /** Asks to be given nothing more; resolves when nothing is on its way, or the session has ended. */
  drain(): Promise<void>;
  /** `count` connections of an earlier session have ended. */
  formerEnded(count: number): void;
  close(): void;
  /** As `close`, and resolves when the head has dropped this delivery, where that can be known: its name is free then. */
  leave(): Promise<void>;
}

/**
 * Throws SystemError when there is no head at `path`, HEAD_REFUSED or PROTOCOL when it does not welcome us,
 * and the reason of `stop` when that comes first.
 */
export async function openSession(
  path: string,
  hello: Hello,
  events: SessionEvents,
  stop: AbortSignal,
): Promise<Session> {
  return new Registered(await beWelcomed(path, hello, stop), hello.name, events);
}

class Registered implements Session {
  /** The head's name for it. */
  readonly id: string;
  readonly waysBack: readonly DeliveryWayBack[];
  readonly #name: string;
  readonly #lanes: DeliveryLane[];
  readonly #channel: Channel;
  readonly #events: SessionEvents;
  #drained: (() => void)[] = [];
  /** Lanes that the head has not ended. */
  #lanesLeft: number;
  readonly #left = Promise.withResolvers<void>();
  #leaving = false;
  /** An operator wishes so. */
  #isMoving = false;
  #open = true;

  constructor({ fd, session: id, lanes, waysBack }: Welcome, name: string, events: SessionEvents) {
    this.id = id;
    this.#name = name;
    this.#events = events;
    this.#lanesLeft = lanes.length;
    this.#channel = openChannel(fd, {
      onMessage: (bytes) => this.#onMessage(bytes),
      onEnd: () => this.#end('the head has gone'),
    });
    this.#channel.unref();
    for (const [index, lane] of lanes.entries()) traceJoin(lane, `${id}-${index}`);
    this.#lanes = lanes.map(
      (lane, index) =>
        new DeliveryLane(lane, events.feed, {
          arrivalOf: (id, state) =>
            state ? new StatedArrival(this, index, id, state) : new FdArrival(this, index, id),
          isShort: (unreported) => events.isShort(unreported),
          // The control channel says why; a lane alone ends only when the head is in trouble.
          onEnd: (problem) => (problem ? this.#end(problem) : this.#laneEnded()),
        }),
    );
    this.waysBack = waysBack.map((end) => new DeliveryWayBack(end));
  }

  /**
   * Whether the head need not be told of it in another way. A worker of a head that stops ends its lane before others
   * have ended theirs: what it had given is then nobody's to count, and is none of those that this session began with.
   */
  connectionEnded(index: number): boolean {
    if (!this.#open) return false;
    this.#lanes[index]!.connectionEnded();
    return true;
  }

  /** Undefined when the session has ended. */
  wayBackOf(index: number): DeliveryWayBack | undefined {
    return this.#open ? this.waysBack[index] : undefined;
  }

  #onMessage(bytes: Buffer): void {
    let message: FromHead;
    try {
      message = decodeFromHead(bytes);
    } catch (error) {
      return this.#end((error as Error).message);
    }
    switch (message.type) {
      case 'ping':
        return this.#events.countDirect((direct) => {
          const left = this.#events.countLeft();
          this.#channel.send({ type: 'pong', direct, ...(left && { left }) });
        });
      case 'move':
        this.#isMoving = message.on;
        return this.#events.onMove(message.on);
      case 'distribute':
        for (const way of this.waysBack) way.standing = new Standing(message, this.#name);
        return this.#events.onDistribute();
      case 'drained':
        return this.#settleDrain();
      case 'dismissed':
        return this.#end(`the head dropped it: ${message.reason}`, message.successor);
      default:
        return this.#end(`an unexpected ${message.type}`);
    }
  }

  drain(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.#channel.send({ type: 'draining' });
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  #settleDrain(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  formerEnded(count: number): void {
    this.#channel.send({ type: 'ended', count });
  }

  #laneEnded(): void {
    this.#lanesLeft--;
    if (this.#leaving && this.#lanesLeft === 0) this.close();
  }

  close(): void {
    this.#end('closed');
  }

  /** The head ends the lanes of a delivery after it has dropped it. */
  leave(): Promise<void> {
    if (this.#open && !this.#leaving) {
      this.#leaving = true;
      this.#channel.close();
      if (this.#lanesLeft === 0) this.close();
      else setTimeout(() => this.close(), LEFT_WITHIN_MS).unref();
    }
    return this.#left.promise;
  }

  #end(reason: string, hasSuccessor = false): void {
    if (!this.#open) return;
    this.#open = false;
    for (const lane of this.#lanes) lane.close();
    for (const way of this.waysBack) way.finish();
    this.#events.onDistribute();
    this.#channel.close();
    this.#settleDrain();
    if (this.#isMoving) this.#events.onMove(false);
    this.#left.resolve();
    this.#events.onEnd(reason, hasSuccessor);
  }
}

/** An object of few words: there is one for each connection. */
class FdArrival implements Arrival {
  readonly #session: Registered;
  readonly #lane: number;
  readonly #number: number;

  constructor(session: Registered, lane: number, number: number) {
    this.#session = session;
    this.#lane = lane;
    this.#number = number;
  }

  get id(): string {
    return `${this.#session.id}-${this.#lane}-${this.#number}`;
  }

  /** The worker that has handed it over has heard by then that it was taken. */
  get wayBack(): DeliveryWayBack | undefined {
    return this.#session.wayBackOf(this.#lane);
  }

  get transport(): 'fd' {
    return 'fd';
  }

  closed(): boolean {
    if (trace) traceFinish(this.id);
    return this.#session.connectionEnded(this.#lane);
  }
}

/** One that came with what its application needs to go on with it. */
class StatedArrival extends FdArrival {
  readonly state: Uint8Array;

  constructor(session: Registered, lane: number, number: number, state: Uint8Array) {
    super(session, lane, number);
    this.state = state;
  }
}
