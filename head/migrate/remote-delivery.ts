/**
 * Deliveries of other hosts: who has the secret, says hello in time and is on the head's layer-2 segment is registered.
 * Every message is checked before anybody acts on it.
 */
import { BatonError } from '../../shared/errors.ts';
import { levelOf } from '../../shared/log.ts';
import { parseHostPort } from '../../shared/units.ts';
import type { LinkEnd, LinkHandlers, ServerLink } from '../../shared/wire/remote/link.ts';
import {
  checkFromRemote,
  type FromRemote,
  type RemoteHello,
  type ToRemote,
} from '../../shared/wire/remote/messages.ts';
import type { Prepared, Registration } from '../registrant.ts';
import type { NextHop } from '../steer/index.ts';
import type { NumberedHop } from '../worker-messages.ts';
import type { DoorEvents, DoorParts } from './door.ts';
import { Greeting } from './greeting.ts';
import { type Member, registrantOf } from './member.ts';
import { Migrations } from './migrations.ts';
import { encoderFor, type Fate } from './moving.ts';
import { Returns, settleDoubts } from './returns.ts';
import { Talk } from './talk.ts';
import { Whereabouts } from './whereabouts.ts';
import type { LaneOwner } from './worker-lanes.ts';

/** A peer that does not say hello, and all that it holds, within this time is cut off, milliseconds. */
const HELLO_WITHIN_MS = 5000;
const FATES: Readonly<Record<LinkEnd, Fate>> = { closed: 'dead', reset: 'reset', broken: 'alive' };

/** One delivery, from its first word to its end. */
export class RemoteDelivery implements LinkHandlers, LaneOwner {
  /** Tells this registration from others that had its slot; workers say it with each connection. */
  readonly registration: number;
  readonly #parts: DoorParts;
  readonly #link: ServerLink;
  readonly #timer: NodeJS.Timeout;
  readonly #events: DoorEvents;
  readonly #greeting = new Greeting();
  #prepared: Prepared | undefined;
  #registration: Registration | undefined;
  /** Its lanes were offered before its welcome. */
  #isAhead = false;
  #migrations: Migrations | undefined;
  #talk: Talk | undefined;
  /** Of its host. */
  readonly whereabouts: Whereabouts;
  #ways = 0;
  #fate: Fate = 'alive';
  #gone = false;
  #heardAt = performance.now();
  #hasArrived = false;
  /** Nothing can be given back before the head has begun. */
  #isActive = () => false;
  #hasTold = false;

  constructor(link: ServerLink, registration: number, parts: DoorParts, events: DoorEvents) {
    this.#link = link;
    this.registration = registration;
    this.#parts = parts;
    this.#events = events;
    this.whereabouts = new Whereabouts(this.#host, (hop) => this.#moveTo(hop));
    this.#timer = setTimeout(
      () => this.#reject(new BatonError('PROTOCOL', { problem: 'no hello in time' })),
      HELLO_WITHIN_MS,
    );
  }

  get #hello(): RemoteHello | undefined {
    return this.#greeting.hello;
  }

  get slot(): number | undefined {
    return this.#prepared?.slot;
  }

  /** It has been welcomed, and what it had then is known. */
  get hasTold(): boolean {
    return this.#hasTold;
  }

  /** Milliseconds of performance.now(). */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** The name of one that can be registered. */
  get arrivedAs(): string | undefined {
    return this.#hasArrived ? this.#hello!.name : undefined;
  }

  get name(): string {
    return this.#hello!.name;
  }

  get readsPath(): boolean {
    return this.#hello!.resumes !== undefined;
  }

  get hop(): NumberedHop {
    return { way: this.whereabouts.hop, number: this.#ways };
  }

  get fate(): Fate | undefined {
    return this.#gone ? this.#fate : undefined;
  }

  letGo(reason: string): void {
    if (this.#registration) this.#registration.end(reason);
    else this.#reject(new BatonError('PROTOCOL', { problem: reason }));
  }

  moved(): void {
    this.#talk?.moved();
  }

  lost(): void {
    this.#check(() => this.#talk?.lost());
  }

  get moving(): number {
    return this.#migrations?.count ?? 0;
  }

  /** Moves a worker's connections there, besides those that wait for their turn. */
  begin(worker: number, fds: readonly number[], states?: ReadonlyMap<number, Uint8Array>): void {
    this.#migrations?.begin(worker, fds, states);
  }

  /** Asks it to make a link to a successor as well: its name, or undefined where it does not know how or leaves. */
  sendToSuccessor(): string | undefined {
    if (!this.#hasTold || this.#gone || this.#talk?.leaves || !this.#hello?.successors) return undefined;
    return this.#send({ type: 'successor' }) ? this.#hello.name : undefined;
  }

  quiet(): Promise<void> {
    return this.#migrations?.quiet() ?? Promise.resolve();
  }

  onMessage(value: unknown): void {
    this.#check(() => {
      const message = checkFromRemote(value);
      if (!this.#talk) return this.#greet(message);
      this.#heardAt = performance.now();
      this.#talk.hear(message);
    });
  }

  /** Lets it go where what it says makes no sense. */
  #check(hear: () => void): void {
    try {
      hear();
    } catch (error) {
      const { message } = error as Error;
      this.#parts.log.warn({ peer: this.#link.peer, delivery: this.#hello?.name }, message);
      if (this.#registration) this.#registration.end(message);
      else this.#reject(error as Error);
    }
  }

  onEnd(reason: string, how: LinkEnd): void {
    if (this.#gone) return;
    if (!this.#hello) this.#parts.log.warn({ peer: this.#link.peer }, `left before its hello: ${reason}`);
    this.#fate = FATES[how];
    // The registry first: what comes back from it is not sent to its direct address.
    this.#registration?.end(reason);
    this.#finish();
  }

  cutOff(): void {
    this.#link.close();
    this.#prepared?.drop();
    this.#finish();
  }

  /** Numeric. */
  get #host(): string {
    return parseHostPort(this.#link.peer)!.host;
  }

  #moveTo(hop: NextHop): void {
    const { lanes, log, migration } = this.#parts;
    log.info({ delivery: this.name, mac: hop.mac }, 'its host is reached in another way now');
    this.#ways++;
    if (this.#prepared) lanes.moveTo(this);
    lanes.read();
    migration.flows.move(this.name, hop);
  }

  #send(message: ToRemote): boolean {
    return this.#link.send(message);
  }

  #greet(message: FromRemote): void {
    if (!this.#greeting.take(message)) return;
    clearTimeout(this.#timer);
    void this.#register(this.#hello!);
  }

  async #register(hello: RemoteHello): Promise<void> {
    const { registry, migration, lanes, log, begun } = this.#parts;
    try {
      await this.whereabouts.find();
      this.#prepared = await registry.prepare(registrantOf(hello, this.#member(hello)));
      // It has gone, or the head stops: there is nothing to say to it.
      if (!this.#prepared || this.#gone) return this.cutOff();
      this.#comeAhead(hello);
      const returns = await begun;
      this.#isActive = returns.isActive;
      const lastBefore = migration.ids.last;
      const registration = this.#prepared.begin();
      if (!registration) return this.cutOff();
      this.#registration = registration;
      const say = (word: ToRemote) => void this.#send(word);
      this.#talk = new Talk({
        door: this.#parts,
        hello,
        member: registration,
        migrations: this.#migrations!,
        returns: new Returns(returns, { name: hello.name, slot: registration.slot, say }),
        hop: () => this.whereabouts.hop,
      });
      // Those that have come with it are welcomed first: visitors wait for them.
      await undefined;
      // What workers have moved to the one that had its name before.
      lanes.read();
      const { ids: all, keys: itsKeys, doubtful } = this.#greeting.takeHoldings();
      const { ids, keys, kept, moved } = settleDoubts(migration.steering, all, itsKeys, doubtful);
      migration.flows.claim(hello.name, ids, keys, this.whereabouts.hop, lastBefore);
      for (const id of kept) say({ type: 'kept', id });
      for (const id of moved) say({ type: 'moved', id });
      this.#hasTold = true;
      if (this.#gone) registration.end('it went away');
    } catch (error) {
      log[levelOf(error)]({ delivery: hello.name, peer: this.#link.peer }, (error as Error).message);
      this.#reject(error as Error);
    }
  }

  /** All that a move takes is made before this is the head: its lanes as well, where it knows how. */
  #comeAhead({ ahead, lanes }: RemoteHello): void {
    const arrive = () => {
      this.#hasArrived = true;
      this.#events.onArrival();
    };
    this.#isAhead = Boolean(ahead && lanes) && !this.#parts.hasBegun();
    if (!this.#isAhead) arrive();
    else this.#send({ type: 'ahead', lanes: this.#parts.lanes.offer(this.#link, this, arrive) });
  }

  #member(hello: RemoteHello): Member {
    const delivery = this;
    return {
      registration: this.registration,
      get isWaiting() {
        return !delivery.#gone;
      },
      get isActive() {
        return delivery.#isActive();
      },
      send: (message) => this.#send(message),
      begin: () => {
        this.#migrations = new Migrations(this.#parts.migration, {
          name: hello.name,
          link: this.#link,
          encode: encoderFor(this.readsPath),
          hop: () => this.whereabouts.hop,
          settle: (worker, fd, how) =>
            this.#parts.tell(worker, { type: 'settled', slot: this.slot!, fd, how }),
        });
        return hello.lanes && !this.#isAhead ? this.#parts.lanes.offer(this.#link, this) : undefined;
      },
      finish: () => this.#finish(),
      end: () => this.#link.end(),
    };
  }

  #reject(error: Error): void {
    const code = error instanceof BatonError ? error.code : 'CALL_FAILED';
    this.#send({ type: 'rejected', code, reason: error.message.slice(0, 1024) });
    this.#link.end();
    this.#finish();
  }

  #finish(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#prepared?.drop();
    this.whereabouts.close();
    clearTimeout(this.#timer);
    this.#talk?.end();
    this.#migrations?.end(this.#fate);
    this.#parts.lanes.ended(this);
    this.#parts.lanes.read();
    if (this.#registration) this.#parts.migration.flows.left(this.#hello!.name, this.#host);
    this.#events.onEnd();
  }
}
