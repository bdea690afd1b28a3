/** One peer at the deliveries' socket, from its first word to its end. Every message is decoded before anybody acts on it. */
import { BatonError } from '../shared/errors.ts';
import { type Logger, levelOf, Sparingly } from '../shared/log.ts';
import { randomId } from '../shared/random-id.ts';
import { MAX_FDS } from '../shared/sys/pass-fds.ts';
import { closeFd } from '../shared/sys/sockets.ts';
import { seqpacketPair } from '../shared/sys/unix-sockets.ts';
import { type Channel, openChannel } from '../shared/wire/channel.ts';
import {
  asOfVersion,
  decodeFromDelivery,
  type FromDelivery,
  type Hello,
  PROTOCOL_VERSION,
} from '../shared/wire/control.ts';
import type { Registrant, Registration } from './registrant.ts';
import type { Registry } from './registry.ts';
import type { LaneSpec } from './worker-messages.ts';

/** A peer that connects and does not say hello within this time is cut off, milliseconds. */
const HELLO_WITHIN_MS = 5000;

/** What peers do wrong, all of them together. */
const complaints = new Sparingly();

export class LocalDelivery {
  readonly #pid: number;
  readonly #registry: Registry;
  readonly #log: Logger;
  readonly #channel: Channel;
  readonly #timer: NodeJS.Timeout;
  readonly #onKnown: () => void;
  #hello: Hello | undefined;
  #registration: Registration | undefined;
  /** The delivery's ends of the ways back, until it has them. */
  readonly #waysBack: number[] = [];
  /** Connections that its hello called active and that have not ended. */
  #active = 0;
  #gone = false;

  /** `onKnown`: it is registered, or has gone. */
  constructor(fd: number, pid: number, registry: Registry, log: Logger, onKnown: () => void) {
    this.#pid = pid;
    this.#registry = registry;
    this.#log = log;
    this.#onKnown = onKnown;
    this.#channel = openChannel(fd, {
      onMessage: (bytes) => this.#onMessage(bytes),
      onEnd: () => this.#end('it went away'),
    });
    this.#timer = setTimeout(
      () => this.#refuse(new BatonError('PROTOCOL', { problem: 'no hello in time' })),
      HELLO_WITHIN_MS,
    );
  }

  get isSilent(): boolean {
    return this.#hello === undefined;
  }

  cutOff(reason: string): void {
    this.#channel.close();
    this.#end(reason);
  }

  #onMessage(bytes: Buffer): void {
    try {
      const message = decodeFromDelivery(bytes);
      if (!this.#hello) this.#greet(message);
      else this.#hear(message);
    } catch (error) {
      const { message } = error as Error;
      complaints.tell((more) => this.#log.warn({ peerPid: this.#pid, ...more }, message));
      if (this.#registration) this.#registration.end(message);
      else this.#refuse(error as BatonError);
    }
  }

  #greet(message: FromDelivery): void {
    if (message.type !== 'hello') {
      throw new BatonError('PROTOCOL', { problem: `${message.type} where hello was due` });
    }
    clearTimeout(this.#timer);
    this.#hello = message;
    this.#active = message.active;
    void this.#register(message);
  }

  async #register(hello: Hello): Promise<void> {
    try {
      const said = asOfVersion(hello, PROTOCOL_VERSION);
      this.#registration = await this.#registry.register(this.#registrant(said));
      if (this.#registration) this.#onKnown();
      // It may have gone while the last worker answered.
      if (this.#gone) this.#registration?.end('it went away');
    } catch (error) {
      // What is not of the catalogue is the kernel's: no fd left for a lane, say.
      const code = error instanceof BatonError ? error.code : 'CALL_FAILED';
      const who = { delivery: hello.name, deliveryPid: hello.pid, code };
      complaints.tell((more) => this.#log[levelOf(error)]({ ...who, ...more }, (error as Error).message));
      this.#refuse(error as Error);
    }
  }

  #registrant(hello: Hello): Registrant {
    const laneEnds: number[] = [];
    const { moves } = hello;
    const self = this;
    return {
      introduction: hello,
      transport: 'fd',
      process: this.#pid,
      active: hello.active,
      get isWaiting() {
        return !self.#gone;
      },
      makeLanes: (workers) => {
        const hasWaysBack = moves !== undefined && 2 * workers <= MAX_FDS;
        const pairs = makePairs(hasWaysBack ? 2 * workers : workers);
        return pairs.slice(0, workers).map(([headEnd, deliveryEnd], worker): LaneSpec => {
          laneEnds.push(deliveryEnd);
          const lane = { transport: 'fd', ends: { head: headEnd, delivery: deliveryEnd } } as const;
          if (!hasWaysBack) return lane;
          const [end, itsEnd] = pairs[workers + worker]!;
          this.#waysBack.push(itsEnd);
          return { ...lane, back: { end, takesState: moves === 'state' } };
        });
      },
      welcome: () => this.#welcome(hello.version, laneEnds),
      ping: () => void this.#channel.send({ type: 'ping' }),
      move: moves && ((on) => void this.#channel.send({ type: 'move', on })),
      distribute: moves && hello.looks ? (message) => void this.#channel.send(message) : undefined,
      drained: () => void this.#channel.send({ type: 'drained' }),
      dismiss: (reason, successor) => {
        this.#channel.send({ type: 'dismissed', reason, ...(successor && { successor }) });
        this.#channel.end();
      },
    };
  }

  /** The one control message that carries fds. */
  #welcome(version: number, laneEnds: readonly number[]): boolean {
    const session = randomId(8);
    const lanes = laneEnds.length;
    const waysBack = this.#waysBack.splice(0);
    const moves = waysBack.length > 0 && { moves: true as const };
    const sent = this.#channel.send({ type: 'welcome', version, session, lanes, ...moves }, [
      ...laneEnds,
      ...waysBack,
    ]);
    // The delivery's alone: what was said on them before they end must reach it.
    waysBack.forEach(closeFd);
    return sent;
  }

  #hear(message: FromDelivery): void {
    const member = this.#registration;
    if (!member) throw new BatonError('PROTOCOL', { problem: `${message.type} before its welcome` });
    member.heard();
    switch (message.type) {
      case 'pong':
        return member.pong(message.direct, message.left);
      case 'ended':
        if (message.count > this.#active)
          throw new BatonError('PROTOCOL', { problem: 'more ended than active' });
        this.#active -= message.count;
        return member.ended(message.count);
      case 'draining':
        return member.draining();
      default:
        throw new BatonError('PROTOCOL', { problem: `a second ${message.type}` });
    }
  }

  #refuse(error: Error): void {
    const code = error instanceof BatonError ? error.code : 'CALL_FAILED';
    this.#channel.send({ type: 'refused', code, reason: error.message });
    this.#channel.end();
    this.#end(error.message);
  }

  #end(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#waysBack.splice(0).forEach(closeFd);
    this.#onKnown();
    this.#registration?.end(reason);
  }
}

/** Both ends of one lane for each worker. */
function makePairs(workers: number): [number, number][] {
  const pairs: [number, number][] = [];
  try {
    while (pairs.length < workers) pairs.push(seqpacketPair());
    return pairs;
  } catch (error) {
    for (const ends of pairs) ends.forEach(closeFd);
    throw error;
  }
}
