/** One registration with a head of another host, over a link: adopts connections until one of the two ends it. */
import { BatonError } from '../../shared/errors.ts';
import { Refusal, whyNotResumed } from '../../shared/tcp-repair/index.ts';
import type { HostPort } from '../../shared/units.ts';
import { versionFor } from '../../shared/wire/control.ts';
import { connectLink, type Link } from '../../shared/wire/remote/link.ts';
import {
  ANNOUNCING_VERSION,
  asReason,
  checkToRemote,
  type FromRemote,
  IDS_MAX,
  type RemoteHello,
  type ToRemote,
} from '../../shared/wire/remote/messages.ts';
import type { Arrival } from '../connections.ts';
import { refused, type Session, type SessionEvents } from '../session.ts';
import type { AdoptedFlows } from './adopted-flows.ts';
import { Adoptions } from './adoptions.ts';
import type { HeadAccount } from './head-account.ts';

/** How long a head may take to answer hello, milliseconds: it looks for this host on its network card. */
const WELCOME_WITHIN_MS = 10_000;
/** A head pings several times a second; one that is not heard for this long has gone, milliseconds. */
const LINK_IDLE_MS = 10_000;

/** Connections that have come to life are told of together, at the latest after this long (milliseconds). */
const SAY_LIVE_MS = 10;

export interface RemoteHead {
  readonly address: HostPort;
  readonly secret: Buffer;
  /** Addresses that this host shares with the head, as bytes. */
  readonly vips: readonly Uint8Array[];
  /** There are others, which give connections as well, and are told of this one's. */
  readonly isOneOfSeveral: boolean;
}

/** Throws LINK_FAILED when there is no head, HEAD_REFUSED or PROTOCOL when it does not welcome us. */
export async function openRemoteSession(
  head: RemoteHead,
  introduction: Omit<RemoteHello, 'type' | 'version' | 'active' | 'flows' | 'resumes'>,
  holdings: AdoptedFlows,
  events: SessionEvents,
): Promise<Session> {
  const session = new RemoteSession(head, holdings, events);
  await session.open(introduction);
  return session;
}

class RemoteSession implements Session {
  readonly #head: RemoteHead;
  /** A connection that moved here cannot be given back. */
  readonly waysBack = [];
  readonly #adoptedFlows: AdoptedFlows;
  readonly #events: SessionEvents;
  readonly #adoptions: Adoptions;
  readonly #welcomed = Promise.withResolvers<void>();
  #link!: Link;
  #account: HeadAccount | undefined;
  #credits = 0;
  #isWelcome = false;
  /** Activated, not said yet. */
  readonly #live: number[] = [];
  #liveTimer: NodeJS.Timeout | undefined;
  #drained: (() => void)[] = [];
  #open = true;

  constructor(head: RemoteHead, holdings: AdoptedFlows, events: SessionEvents) {
    this.#head = head;
    this.#adoptedFlows = holdings;
    this.#events = events;
    this.#adoptions = new Adoptions(head.vips, holdings);
  }

  async open(introduction: Parameters<typeof openRemoteSession>[1]): Promise<void> {
    const { address, secret, isOneOfSeveral } = this.#head;
    this.#credits = introduction.credits;
    this.#link = await connectLink(
      address,
      { secret, idleMs: LINK_IDLE_MS, unref: true },
      {
        onMessage: (value) => this.#onMessage(value),
        onEnd: (reason) => this.#end(reason),
      },
    );
    const { active, holdings, account } = this.#adoptedFlows.describe((unreported) =>
      this.#events.isShort(unreported),
    );
    this.#account = account;
    const flows = holdings.reduce((sum, { ids }) => sum + ids.length, 0);
    const version = isOneOfSeveral ? ANNOUNCING_VERSION : versionFor(introduction);
    const why = whyNotResumed();
    const resumes = why === undefined || asReason(why);
    this.#send({ ...introduction, type: 'hello', version, active, flows, resumes });
    for (const some of holdings) this.#send({ type: 'holding', ...some });
    const timer = setTimeout(
      () => this.#fail(new BatonError('PROTOCOL', { problem: 'no welcome in time' })),
      WELCOME_WITHIN_MS,
    ).unref();
    try {
      await this.#welcomed.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #send(message: FromRemote): void {
    this.#link.send(message);
  }

  #onMessage(value: unknown): void {
    try {
      const message = checkToRemote(value);
      if (this.#isWelcome) this.#hear(message);
      else this.#greet(message);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #greet(message: ToRemote): void {
    if (message.type === 'rejected') throw refused(message);
    if (message.type !== 'welcome')
      throw new BatonError('PROTOCOL', { problem: `${message.type} where welcome was due` });
    this.#isWelcome = true;
    this.#account!.attach((message) => this.#send(message));
    this.#welcomed.resolve();
  }

  #hear(message: ToRemote): void {
    switch (message.type) {
      case 'adopt':
        return this.#send(this.#adopt(message));
      case 'commit':
        return this.#commit(message.id);
      case 'abort':
        return this.#adoptions.abort(message.id);
      case 'ping':
        return this.#events.countDirect((direct) => this.#send({ type: 'pong', direct }));
      case 'drained':
        return this.#settleDrain();
      case 'dismissed':
        return this.#end(`the head dropped it: ${message.reason}`, message.successor);
      default:
        throw new BatonError('PROTOCOL', { problem: `a second ${message.type}` });
    }
  }

  #adopt(message: ToRemote & { type: 'adopt' }): FromRemote {
    // Each head counts credits by what it has heard: two that give at the same moment may count too few.
    const isFull = this.#head.isOneOfSeveral && this.#adoptedFlows.count >= this.#credits;
    if (isFull) return { type: 'refused', id: message.id, reason: 'no-credit' };
    return this.#adoptions.adopt(message);
  }

  #commit(id: number): void {
    const adopted = this.#adoptions.commit(id);
    if (adopted instanceof Refusal) return this.#send({ type: 'refused', id, reason: adopted.reason });
    const account = this.#account!;
    this.#adoptedFlows.add(id, adopted.ends, adopted.fd, account);
    this.#live.push(id);
    if (this.#live.length === IDS_MAX) this.#sayLive();
    else this.#liveTimer ??= setTimeout(() => this.#sayLive(), SAY_LIVE_MS);
    const arrival: Arrival = {
      id: id.toString(36),
      transport: 'migrate',
      closed: () => {
        this.#adoptedFlows.closed(id);
        return true;
      },
    };
    this.#events.feed.add([adopted.fd], () => arrival);
    this.#events.feed.serve();
    if (this.#events.isShort(account.unreported)) account.flush();
  }

  /** Nobody waits for it: until then the head keeps what it would need to reset the connections, should this process die. */
  #sayLive(): void {
    clearTimeout(this.#liveTimer);
    this.#liveTimer = undefined;
    if (this.#live.length > 0) this.#send({ type: 'live', ids: this.#live.splice(0) });
  }

  drain(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.#send({ type: 'draining' });
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  #settleDrain(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Connections of earlier sessions are the holdings' to tell of. */
  formerEnded(): void {}

  close(): void {
    this.#end('closed');
  }

  /** When the head has seen the link's end is not known here. */
  leave(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #fail(error: Error): void {
    this.#welcomed.reject(error);
    this.#end(error.message);
  }

  #end(reason: string, hasSuccessor = false): void {
    if (!this.#open) return;
    this.#open = false;
    this.#adoptions.end();
    this.#sayLive();
    this.#account?.flush();
    this.#account?.close();
    this.#link.end();
    this.#settleDrain();
    // A session that was never welcomed fails instead of ending.
    if (this.#isWelcome) this.#events.onEnd(reason, hasSuccessor);
    else this.#welcomed.reject(new BatonError('PROTOCOL', { problem: reason }));
  }
}
