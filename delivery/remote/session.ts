/** One registration with a head of another host, over a link: adopts connections until one of the two ends it. */
import { BatonError } from '../../shared/errors.ts';
import { Refusal, whyNotResumed } from '../../shared/tcp-repair/index.ts';
import { versionFor } from '../../shared/wire/control.ts';
import { type ClientLink, connectLink } from '../../shared/wire/remote/link.ts';
import {
  ANNOUNCING_VERSION,
  asReason,
  checkToRemote,
  type FromRemote,
  type RemoteHello,
  type ToRemote,
} from '../../shared/wire/remote/messages.ts';
import type { Arrival } from '../connections.ts';
import type { Session, SessionEvents } from '../session.ts';
import type { WayBack } from '../way-back.ts';
import { refused } from '../welcome.ts';
import type { AdoptedFlows } from './adopted-flows.ts';
import { Adoptions } from './adoptions.ts';
import type { HeadAccount } from './head-account.ts';
import { LiveWords } from './live-words.ts';
import type { OwnLane } from './own-lane.ts';
import { OwnLanes } from './own-lanes.ts';
import type { RemoteHead } from './remote-head.ts';

/** How long a head may take to answer hello, milliseconds: it looks for this host on its network card. */
const WELCOME_WITHIN_MS = 10_000;
/** A head pings several times a second; one that is not heard for this long has gone, milliseconds. */
const LINK_IDLE_MS = 10_000;

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
  readonly #adoptedFlows: AdoptedFlows;
  readonly #events: SessionEvents;
  readonly #adoptions: Adoptions;
  readonly #lanes = new OwnLanes({
    hear: (message, lane) => this.#hearLane(message, lane),
    serve: () => this.#events.feed.serveFirst(),
    onEnd: (problem) => this.#fail(new BatonError('PROTOCOL', { problem })),
  });
  readonly #welcomed = Promise.withResolvers<void>();
  #link!: ClientLink;
  #account: HeadAccount | undefined;
  #credits = 0;
  #isWelcome = false;
  /** The head takes connections back; it has the address that their clients connect to. */
  #takesBack = false;
  #isActive = true;
  /** An operator wishes so. */
  #isMoving = false;
  /** Of what came over the link. */
  readonly #live = new LiveWords((ids) => this.#send({ type: 'live', ids }));
  #drained: (() => void)[] = [];
  #open = true;

  constructor(head: RemoteHead, holdings: AdoptedFlows, events: SessionEvents) {
    this.#head = head;
    this.#adoptedFlows = holdings;
    this.#events = events;
    this.#adoptions = new Adoptions(head.vips, holdings);
  }

  get waysBack(): readonly WayBack[] {
    return this.#open && this.#takesBack && this.#isActive ? [this.#head.givenBack] : [];
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
    // A head that we are about to leave, or another one, may move something here meanwhile.
    const isAnnounced = isOneOfSeveral || this.#adoptedFlows.isTold;
    const { active, holdings, account } = this.#adoptedFlows.describe((unreported) =>
      this.#events.isShort(unreported),
    );
    this.#account = account;
    const flows = holdings.reduce((sum, { ids }) => sum + ids.length, 0);
    const version = isAnnounced ? ANNOUNCING_VERSION : versionFor(introduction);
    const why = whyNotResumed();
    const resumes = why === undefined || asReason(why);
    const can = { resumes, successors: true, lanes: true, ahead: true } as const;
    this.#send({ ...introduction, type: 'hello', version, active, flows, ...can });
    for (const some of holdings) {
      const doubtful = some.ids.filter((id) => this.#head.givenBack.isDoubtful(id));
      this.#send({ type: 'holding', ...some, ...(doubtful.length > 0 && { doubtful }) });
    }
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
    if (message.type === 'ahead') return this.#lanes.open(message.lanes, this.#link);
    if (message.type !== 'welcome')
      throw new BatonError('PROTOCOL', { problem: `${message.type} where welcome was due` });
    this.#isWelcome = true;
    this.#isActive = !message.standby;
    this.#takesBack = message.moves === true;
    const { givenBack } = this.#head;
    if (this.#takesBack) givenBack.attach(this.#give);
    // One of an earlier release: it can say nothing of what the one before had been given.
    else givenBack.giveUp();
    this.#account!.attach((message) => this.#send(message));
    this.#welcomed.resolve();
    this.#lanes.listen();
    if (message.lanes) this.#lanes.open(message.lanes, this.#link);
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
        this.#isActive = !message.standby;
        return this.#events.countDirect((direct) => {
          const left = this.#events.countLeft();
          this.#send({ type: 'pong', direct, ...(left && { left }) });
        });
      case 'successor':
        // What is given from now on would have no word of it: what is doubtful is named when the link is made.
        this.#isActive = false;
        this.#lanes.hurry();
        this.#live.hurry();
        return this.#events.onSuccessor();
      case 'move':
        this.#isMoving = message.on;
        return this.#events.onMove(message.on);
      case 'moved':
      case 'kept':
        return this.#head.givenBack.hear(message.id, message.type === 'moved');
      case 'drained':
        return this.#settleDrain();
      case 'dismissed':
        return this.#end(`the head dropped it: ${message.reason}`, message.successor);
      default:
        throw new BatonError('PROTOCOL', { problem: `a second ${message.type}` });
    }
  }

  #adopt(message: ToRemote & { type: 'adopt' }): FromRemote {
    // Each head counts credits by what it has heard: two that give at the same moment may count too few, and one that has just
    // taken over as well.
    if (this.#adoptedFlows.count >= this.#credits)
      return { type: 'refused', id: message.id, reason: 'no-credit' };
    return this.#adoptions.adopt(message);
  }

  /** What a worker of the head says over its lane; what to answer. */
  #hearLane(message: ToRemote, lane: OwnLane): FromRemote | undefined {
    switch (message.type) {
      case 'adopt':
        // Its word would not be heard any more.
        return this.#open ? this.#adopt(message) : undefined;
      case 'commit': {
        const refused = this.#activate(message.id);
        if (!refused) lane.sayLive(message.id);
        return refused;
      }
      case 'abort':
        this.#adoptions.abort(message.id);
        return undefined;
      default:
        throw new BatonError('PROTOCOL', { problem: `${message.type} on a lane` });
    }
  }

  #commit(id: number): void {
    const refused = this.#activate(id);
    if (refused) return this.#send(refused);
    this.#live.add(id);
    this.#events.feed.serve();
  }

  /** It lives here, and `feed.serve` gives it to the application; or what to answer where it can not. */
  #activate(id: number): FromRemote | undefined {
    const adopted = this.#adoptions.commit(id);
    if (adopted instanceof Refusal) return { type: 'refused', id, reason: adopted.reason };
    const account = this.#account!;
    this.#adoptedFlows.add(id, adopted.ends, adopted.fd, account);
    const arrival: Arrival = {
      id: id.toString(36),
      transport: 'migrate',
      state: adopted.app,
      closed: () => {
        this.#adoptedFlows.closed(id);
        return true;
      },
    };
    this.#events.feed.add([adopted.fd], () => arrival, adopted.app === undefined);
    if (this.#events.isShort(account.unreported)) account.flush();
    return undefined;
  }

  /** That it lives was said before. */
  readonly #give = (given: FromRemote): void => {
    this.#live.flush();
    this.#send(given);
  };

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
    // What is given from here on would have no word of it.
    if (this.#isWelcome) this.#head.givenBack.detach(this.#give);
    if (this.#isMoving) this.#events.onMove(false);
    this.#lanes.end(
      () => this.#adoptions.count > 0,
      () => this.#over(reason, hasSuccessor),
    );
    this.#events.feed.serve();
  }

  /** Nothing more comes of this head. */
  #over(reason: string, hasSuccessor: boolean): void {
    this.#adoptions.end();
    this.#live.flush();
    this.#adoptedFlows.lookAtAll();
    this.#account?.flush();
    this.#account?.close();
    this.#link.end();
    this.#settleDrain();
    // A session that was never welcomed fails instead of ending.
    if (this.#isWelcome) this.#events.onEnd(reason, hasSuccessor);
    else this.#welcomed.reject(new BatonError('PROTOCOL', { problem: reason }));
  }
}
