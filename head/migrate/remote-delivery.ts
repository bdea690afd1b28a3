/**
 * Deliveries of other hosts: who has the secret, says hello in time and is on the head's layer-2 segment is registered.
 * Every message is checked before anybody acts on it.
 */
import { BatonError } from '../../shared/errors.ts';
import { type Logger, levelOf, Sparingly } from '../../shared/log.ts';
import { parseHostPort } from '../../shared/units.ts';
import { asOfVersion } from '../../shared/wire/control.ts';
import type { Link, LinkEnd, LinkHandlers } from '../../shared/wire/remote/link.ts';
import {
  ANNOUNCING_VERSION,
  checkFromRemote,
  type FromRemote,
  REMOTE_VERSION,
  type RemoteHello,
  type ToRemote,
} from '../../shared/wire/remote/messages.ts';
import type { Registrant, Registration } from '../registrant.ts';
import type { Registry } from '../registry.ts';
import type { NextHop } from '../steer/index.ts';
import type { Settlement, ToWorker } from '../worker-messages.ts';
import { Migrations } from './migrations.ts';
import { encoderFor, type Fate, type MigrationParts } from './moving.ts';
import { Whereabouts } from './whereabouts.ts';

/** A peer that does not say hello, and all that it holds, within this time is cut off, milliseconds. */
const HELLO_WITHIN_MS = 5000;
const FATES: Readonly<Record<LinkEnd, Fate>> = { closed: 'dead', reset: 'reset', broken: 'alive' };

export interface DoorParts {
  readonly registry: Registry;
  readonly migration: MigrationParts;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
}

/** One delivery, from its first word to its end. */
export class RemoteDelivery implements LinkHandlers {
  /** Tells this registration from others that had its slot; workers say it with each connection. */
  readonly registration: number;
  readonly #parts: DoorParts;
  readonly #link: Link;
  readonly #timer: NodeJS.Timeout;
  readonly #onEnd: () => void;
  #hello: RemoteHello | undefined;
  #ids: number[] = [];
  #keys: Buffer[] = [];
  #registration: Registration | undefined;
  #migrations: Migrations | undefined;
  /** Connections that it holds and that have not been said to be closed. */
  #held = 0;
  readonly #unsteered = new Sparingly(1);
  /** Of its host. */
  readonly whereabouts: Whereabouts;
  #fate: Fate = 'alive';
  #gone = false;
  #heardAt = performance.now();
  #hasTold = false;

  /** `onEnd`: it has gone, and nothing of it is under way any more. */
  constructor(link: Link, registration: number, parts: DoorParts, onEnd: () => void) {
    this.#link = link;
    this.registration = registration;
    this.#parts = parts;
    this.#onEnd = onEnd;
    this.whereabouts = new Whereabouts(this.#host, (hop) => this.#moveTo(hop));
    this.#timer = setTimeout(
      () => this.#reject(new BatonError('PROTOCOL', { problem: 'no hello in time' })),
      HELLO_WITHIN_MS,
    );
  }

  get slot(): number | undefined {
    return this.#registration?.slot;
  }

  /** It has been welcomed, and what it had then is known. */
  get hasTold(): boolean {
    return this.#hasTold;
  }

  /** Milliseconds of performance.now(). */
  get heardAt(): number {
    return this.#heardAt;
  }

  get moving(): number {
    return this.#migrations?.count ?? 0;
  }

  begin(worker: number, fds: readonly number[]): void {
    this.#migrations!.begin(worker, fds);
  }

  quiet(): Promise<void> {
    return this.#migrations?.quiet() ?? Promise.resolve();
  }

  onMessage(value: unknown): void {
    try {
      const message = checkFromRemote(value);
      if (this.#registration) this.#hear(message, this.#registration, this.#migrations!);
      else this.#greet(message);
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
    this.#finish();
  }

  /** Numeric. */
  get #host(): string {
    return parseHostPort(this.#link.peer)!.host;
  }

  #moveTo(hop: NextHop): void {
    const { name } = this.#hello!;
    this.#parts.log.info({ delivery: name, mac: hop.mac }, 'its host is reached in another way now');
    this.#parts.migration.flows.move(name, hop);
  }

  #send(message: ToRemote): boolean {
    return this.#link.send(message);
  }

  #greet(message: FromRemote): void {
    if (!this.#hello) {
      if (message.type !== 'hello') {
        throw new BatonError('PROTOCOL', { problem: `${message.type} where hello was due` });
      }
      this.#hello = asOfVersion(message, REMOTE_VERSION);
      this.#held = message.active;
    } else if (
      message.type === 'holding' &&
      this.#ids.length < this.#hello.flows &&
      this.#ids.length + message.ids.length <= this.#hello.flows
    ) {
      this.#ids.push(...message.ids);
      this.#keys.push(Buffer.from(message.keys));
    } else {
      throw new BatonError('PROTOCOL', { problem: `${message.type} before its welcome` });
    }
    if (this.#ids.length < this.#hello.flows) return;
    clearTimeout(this.#timer);
    void this.#register(this.#hello);
  }

  async #register(hello: RemoteHello): Promise<void> {
    const { registry, migration, log } = this.#parts;
    try {
      const hop = await this.whereabouts.find();
      const registration = await registry.register(this.#registrant(hello));
      // It has gone, or the head stops: there is nothing to say to it.
      if (!registration) return this.cutOff();
      this.#registration = registration;
      migration.flows.claim(hello.name, this.#ids, Buffer.concat(this.#keys), hop);
      this.#ids = [];
      this.#keys = [];
      this.#hasTold = true;
      if (this.#gone) registration.end('it went away');
    } catch (error) {
      log[levelOf(error)]({ delivery: hello.name, peer: this.#link.peer }, (error as Error).message);
      this.#reject(error as Error);
    }
  }

  #registrant(hello: RemoteHello): Registrant {
    const delivery = this;
    return {
      introduction: hello,
      transport: 'migrate',
      process: 0,
      active: hello.active,
      get isWaiting() {
        return !delivery.#gone;
      },
      makeLanes: (workers) =>
        Array.from({ length: workers }, () => ({ transport: 'migrate', registration: this.registration })),
      welcome: () => {
        this.#migrations = new Migrations(this.#parts.migration, {
          name: hello.name,
          link: this.#link,
          encode: encoderFor(hello),
          hop: () => this.whereabouts.hop,
          settle: (worker, fd, how) => this.#settle(worker, fd, how),
        });
        return this.#send({ type: 'welcome', version: hello.version });
      },
      ping: () => void this.#send({ type: 'ping' }),
      move: undefined,
      drained: () => void this.#send({ type: 'drained' }),
      dismiss: (reason, successor) => {
        this.#finish();
        this.#send({ type: 'dismissed', reason, ...(successor && { successor }) });
        this.#link.end();
      },
    };
  }

  #settle(worker: number, fd: number, how: Settlement): void {
    this.#parts.tell(worker, { type: 'settled', slot: this.slot!, fd, how });
  }

  #hear(message: FromRemote, member: Registration, migrations: Migrations): void {
    member.heard();
    this.#heardAt = performance.now();
    switch (message.type) {
      case 'adopted':
        if (migrations.onAdopted(message.id, message.micros)) this.#held++;
        return;
      case 'live':
        return migrations.onLive(message.ids);
      case 'refused':
        // The credit first: the client, when it is told, may come again at once.
        if (migrations.isCommitted(message.id)) this.#close(1, member);
        if (message.reason === 'id-in-use') this.#parts.migration.ids.collided();
        return migrations.onRefused(message.id, message.reason);
      case 'holding':
        return this.#announced(message, member);
      case 'ended':
        this.#parts.migration.flows.ended(message.gone, this.#hello!.name);
        return this.#close(message.closed, member);
      case 'pong':
        return member.pong(message.direct);
      case 'draining':
        return member.draining();
      default:
        throw new BatonError('PROTOCOL', { problem: `${message.type} after its welcome` });
    }
  }

  /** It has adopted these from another head, whose place this one may have to take. */
  #announced({ ids, keys }: FromRemote & { type: 'holding' }, member: Registration): void {
    const { name, version } = this.#hello!;
    if (version < ANNOUNCING_VERSION)
      throw new BatonError('PROTOCOL', { problem: 'holding after its welcome, in a version without it' });
    this.#held += ids.length;
    member.elsewhere(ids.length);
    try {
      this.#parts.migration.flows.announce(name, ids, Buffer.from(keys), this.whereabouts.hop);
    } catch (error) {
      this.#unsteered.tell((more) =>
        this.#parts.log.error(
          { delivery: name, ...more },
          `connections of another head would be lost if that failed: ${(error as Error).message}`,
        ),
      );
    }
  }

  #close(count: number, member: Registration): void {
    if (count > this.#held) throw new BatonError('PROTOCOL', { problem: 'more closed than it had adopted' });
    this.#held -= count;
    member.ended(count);
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
    this.whereabouts.close();
    clearTimeout(this.#timer);
    this.#migrations?.end(this.#fate);
    if (this.#registration) this.#parts.migration.flows.left(this.#hello!.name, this.#host);
    this.#onEnd();
  }
}
