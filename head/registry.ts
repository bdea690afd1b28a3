/**
 * The deliveries of a head: who has registered, in which slot of the board, and in what state. Lives on the main
 * thread; what it decides it writes on the board (at once, for all workers) and tells the workers (in order).
 */
import { randomBytes } from 'node:crypto';
import { BatonError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { DeliveryState, DeliveryStatus } from '../shared/status.ts';
import { createFdMessenger } from '../shared/sys/pass-fds.ts';
import { closeFd, seqpacketPair } from '../shared/sys/sockets.ts';
import type { Channel } from '../shared/wire/channel.ts';
import {
  CONTROL_MESSAGE_MAX,
  encodeControl,
  type FromDelivery,
  type Hello,
  PROTOCOL_VERSION,
} from '../shared/wire/control.ts';
import { type Board, DOWN, DRAINING, type PerDelivery, type Row, SLOTS, UP } from './board.ts';
import { admitStranger } from './stranger.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

interface Delivery {
  readonly slot: number;
  hello: Hello;
  state: DeliveryState;
  /** It said itself that it is draining, which cannot be undone. */
  leaving: boolean;
  channel: Channel | undefined;
  lastHeard: number;
  /** Workers that have not answered the last `join`, `leave` or `quiesce` yet. */
  awaited: number;
  whenSettled: (() => void)[];
}

export interface RegistryParts {
  readonly board: Board;
  readonly rows: readonly Row[];
  /** Tells one worker. */
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly stallTimeoutMs: number;
  readonly log: Logger;
}

export class Registry {
  readonly #parts: RegistryParts;
  readonly #workers: number;
  readonly #slots: (Delivery | undefined)[] = new Array(SLOTS).fill(undefined);
  /** Connected, not registered yet. */
  readonly #strangers = new Set<Channel>();
  readonly #messenger = createFdMessenger(CONTROL_MESSAGE_MAX);
  readonly #pings: NodeJS.Timeout;
  #turn: Promise<void> = Promise.resolve();
  #lastPing = performance.now();
  #closed = false;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#workers = parts.rows.length;
    this.#pings = setInterval(() => this.#ping(), parts.stallTimeoutMs / 4);
  }

  /** Takes over the socket of somebody who has connected to the deliveries' socket. */
  admit(fd: number): void {
    if (this.#closed) return closeFd(fd);
    let delivery: Delivery | undefined;
    const stranger = admitStranger(fd, this.#parts.log, {
      onHello: (channel, hello) => {
        // One after the other: a registration may have to wait until its slot is free.
        this.#turn = this.#turn.then(async () => {
          delivery = await this.#register(fd, channel, hello);
        });
      },
      onMessage: (message) => {
        if (!delivery) throw new BatonError('PROTOCOL', { problem: `${message.type} before its welcome` });
        this.#onMessage(delivery, message);
      },
      onBroken: (problem) => delivery && this.#remove(delivery, problem, true),
      onEnd: (channel) => {
        this.#strangers.delete(channel);
        if (delivery) this.#remove(delivery, 'it went away', false);
      },
    });
    if (stranger) this.#strangers.add(stranger);
  }

  /** Undefined when it was refused, or left before it could be welcomed. */
  async #register(fd: number, channel: Channel, hello: Hello): Promise<Delivery | undefined> {
    try {
      if (hello.version !== PROTOCOL_VERSION) {
        throw new BatonError('VERSION_MISMATCH', { head: PROTOCOL_VERSION, delivery: hello.version });
      }
      const slot = await this.#findSlot(hello);
      if (!this.#isWaiting(channel)) return undefined;
      return await this.#admitTo(slot, fd, channel, hello);
    } catch (error) {
      const { message } = error as Error;
      // What is not of the catalogue is the kernel's: no fd left for a lane, say.
      const code = error instanceof BatonError ? error.code : 'CALL_FAILED';
      this.#parts.log.warn({ delivery: hello.name, deliveryPid: hello.pid, code }, message);
      this.#strangers.delete(channel);
      channel.send({ type: 'refused', code, reason: message });
      channel.end();
      return undefined;
    }
  }

  /** Its own slot of last time, else a new one, else that of one that has gone; free for use when this resolves. */
  async #findSlot(hello: Hello): Promise<number> {
    let known = this.#slots.find((delivery) => delivery?.hello.name === hello.name);
    if (known && known.state !== 'down') {
      throw new BatonError('NAME_TAKEN', { name: hello.name, pid: known.hello.pid });
    }
    const unused = this.#slots.indexOf(undefined);
    if (!known && unused >= 0) return unused;
    const isNew = known === undefined;
    known ??= this.#slots.find((delivery) => delivery?.state === 'down' && delivery.whenSettled.length === 0);
    if (!known)
      throw new BatonError('HEAD_REFUSED', { reason: `it has ${SLOTS} deliveries, and no room for more` });
    await this.#settled(known);
    if (known.state !== 'down')
      throw new BatonError('NAME_TAKEN', { name: hello.name, pid: known.hello.pid });
    if (isNew) for (const row of this.#parts.rows) row.clearSlot(known.slot);
    return known.slot;
  }

  /** When every worker has done what it was told last about the delivery. */
  #settled(delivery: Delivery): Promise<void> {
    if (delivery.awaited === 0) return Promise.resolve();
    return new Promise((resolve) => delivery.whenSettled.push(resolve));
  }

  #isWaiting(channel: Channel): boolean {
    return this.#strangers.has(channel) && !this.#closed;
  }

  /** Welcomes a delivery once every worker knows it, so that from its first moment it can be given connections. */
  async #admitTo(slot: number, fd: number, channel: Channel, hello: Hello): Promise<Delivery | undefined> {
    const { board, log } = this.#parts;
    const lanes = this.#makeLanes();
    const delivery: Delivery = {
      slot,
      hello,
      state: 'down',
      leaving: false,
      channel: undefined,
      lastHeard: performance.now(),
      awaited: this.#workers,
      whenSettled: [],
    };
    this.#slots[slot] = delivery;
    board.describe(slot, hello);
    for (const [worker, [headEnd, deliveryEnd]] of lanes.entries()) {
      const { name, direct } = hello;
      this.#parts.tell(worker, { type: 'join', slot, name, direct, headEnd, deliveryEnd });
    }
    await this.#settled(delivery);
    const ends = lanes.map(([, deliveryEnd]) => deliveryEnd);
    if (!this.#isWaiting(channel) || !this.#welcome(fd, ends)) {
      this.#leaveWorkers(delivery, false);
      if (this.#isWaiting(channel))
        throw new BatonError('PROTOCOL', { problem: 'it did not take its welcome' });
      return undefined;
    }
    this.#strangers.delete(channel);
    delivery.channel = channel;
    delivery.state = 'up';
    delivery.lastHeard = performance.now();
    board.setState(slot, UP);
    log.info(
      { delivery: hello.name, deliveryPid: hello.pid, direct: hello.direct, credits: hello.credits },
      'delivery joined',
    );
    return delivery;
  }

  /** The one control message that carries fds, so it is sent here and not by the channel. */
  #welcome(fd: number, laneEnds: readonly number[]): boolean {
    const session = randomBytes(4).toString('hex');
    const bytes = encodeControl({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      session,
      lanes: laneEnds.length,
    });
    this.#messenger.bytes.set(bytes);
    this.#messenger.fds.set(laneEnds);
    return this.#messenger.send(fd, bytes.length, laneEnds.length) >= 0;
  }

  /** Both ends of one lane for each worker. */
  #makeLanes(): [number, number][] {
    const pairs: [number, number][] = [];
    try {
      while (pairs.length < this.#workers) pairs.push(seqpacketPair());
      return pairs;
    } catch (error) {
      for (const ends of pairs) ends.forEach(closeFd);
      throw error;
    }
  }

  #onMessage(delivery: Delivery, message: FromDelivery): void {
    delivery.lastHeard = performance.now();
    switch (message.type) {
      case 'pong':
        this.#parts.board.setDirectOpen(delivery.slot, message.direct);
        return;
      case 'ended':
        if (message.count > delivery.hello.active)
          throw new BatonError('PROTOCOL', { problem: 'more ended than active' });
        delivery.hello = { ...delivery.hello, active: delivery.hello.active - message.count };
        this.#parts.board.giveCredits(delivery.slot, message.count);
        return;
      case 'draining':
        if (delivery.leaving) return;
        delivery.leaving = true;
        this.#setDraining(delivery, true);
        delivery.awaited = this.#workers;
        for (let worker = 0; worker < this.#workers; worker++) {
          this.#parts.tell(worker, { type: 'quiesce', slot: delivery.slot });
        }
        return;
      default:
        throw new BatonError('PROTOCOL', { problem: `a second ${message.type}` });
    }
  }

  /** What a worker says about a delivery. */
  onWorker(message: FromWorker): void {
    if (!('slot' in message)) return;
    const delivery = this.#slots[message.slot];
    if (!delivery) return;
    switch (message.type) {
      case 'stalled':
        return this.#remove(delivery, 'it left a connection untaken for too long', false);
      case 'broken':
        this.#parts.log.warn({ delivery: delivery.hello.name }, message.problem);
        return this.#remove(delivery, message.problem, true);
      case 'quiet':
        if (delivery.state !== 'draining') return;
        delivery.awaited--;
        if (delivery.awaited === 0) delivery.channel?.send({ type: 'drained' });
        return;
      case 'left':
        if (message.moved > 0) {
          this.#parts.log.info(
            { delivery: delivery.hello.name, moved: message.moved },
            'untaken connections moved',
          );
        }
        this.#settleOne(delivery);
        return;
      case 'joined':
        this.#settleOne(delivery);
        return;
    }
  }

  #settleOne(delivery: Delivery): void {
    delivery.awaited--;
    if (delivery.awaited === 0) for (const resolve of delivery.whenSettled.splice(0)) resolve();
  }

  #leaveWorkers(delivery: Delivery, broken: boolean): void {
    delivery.awaited = this.#workers;
    for (let worker = 0; worker < this.#workers; worker++) {
      this.#parts.tell(worker, { type: 'leave', slot: delivery.slot, broken });
    }
  }

  /** Lets a delivery go: nothing more is given to it, and what it had not taken goes to others. */
  #remove(delivery: Delivery, reason: string, broken: boolean): void {
    if (delivery.state === 'down') return;
    delivery.state = 'down';
    this.#parts.board.setState(delivery.slot, DOWN);
    this.#leaveWorkers(delivery, broken);
    this.#parts.log.info(
      { delivery: delivery.hello.name, deliveryPid: delivery.hello.pid, reason },
      'delivery left',
    );
    delivery.channel?.send({ type: 'dismissed', reason });
    delivery.channel?.end();
    delivery.channel = undefined;
  }

  #ping(): void {
    const now = performance.now();
    const deadline = now - this.#parts.stallTimeoutMs;
    if (now - this.#lastPing > this.#parts.stallTimeoutMs / 2) {
      // It was this process that stood still: what deliveries said meanwhile is not read yet.
      for (const delivery of this.#slots) if (delivery) delivery.lastHeard = now;
    }
    this.#lastPing = now;
    for (const delivery of this.#slots) {
      if (!delivery || delivery.state === 'down') continue;
      if (delivery.lastHeard < deadline) this.#remove(delivery, 'it did not answer a ping in time', false);
      else delivery.channel?.send({ type: 'ping' });
    }
  }

  /** An operator's wish: give it nothing more, or again. Throws UNKNOWN_DELIVERY. */
  drain(name: string, on: boolean): void {
    const delivery = this.#slots.find(
      (candidate) => candidate?.hello.name === name && candidate.state !== 'down',
    );
    if (!delivery) {
      const known = this.#slots.filter((one) => one && one.state !== 'down').map((one) => one!.hello.name);
      throw new BatonError('UNKNOWN_DELIVERY', { name, known: known.join(', ') || 'none' });
    }
    if (!delivery.leaving) this.#setDraining(delivery, on);
  }

  #setDraining(delivery: Delivery, on: boolean): void {
    delivery.state = on ? 'draining' : 'up';
    this.#parts.board.setState(delivery.slot, on ? DRAINING : UP);
    this.#parts.log.info(
      { delivery: delivery.hello.name },
      on ? 'delivery drains' : 'delivery no longer drains',
    );
  }

  status(): DeliveryStatus[] {
    return this.#slots
      .filter((delivery) => delivery !== undefined)
      .map((delivery) => {
        const { slot, hello, state } = delivery;
        const sum = (name: PerDelivery) =>
          this.#parts.rows.reduce((total, row) => total + row.getFor(slot, name), 0);
        return {
          name: hello.name,
          pid: hello.pid,
          state,
          transport: 'fd',
          direct: hello.direct,
          weight: hello.weight,
          credits: hello.credits,
          inUse: state === 'down' ? 0 : this.#parts.board.inUse(slot),
          untaken: sum('untaken'),
          taken: sum('taken'),
          returned: sum('returned'),
          redirected: sum('redirected'),
          created: sum('created'),
        };
      });
  }

  /** Says good-bye to all; the workers have stopped. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#pings);
    for (const channel of this.#strangers) channel.close();
    for (const delivery of this.#slots) {
      delivery?.channel?.send({ type: 'dismissed', reason: 'the head stops' });
      delivery?.channel?.end();
    }
  }
}
