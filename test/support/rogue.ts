/** A delivery that speaks the protocol by hand, so that a test can make it break any rule. */

import { EAGAIN } from '../../shared/sys/libc.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { connectSeqpacket } from '../../shared/sys/unix-sockets.ts';
import {
  decodeFromHead,
  encodeControl,
  type FromDelivery,
  type FromHead,
  type Hello,
} from '../../shared/wire/control.ts';
import { laneMessage, readLane, writeRange } from '../../shared/wire/lane.ts';
import { readWord } from '../../shared/wire/way-back.ts';
import { until } from './until.ts';

const messenger = createFdMessenger(65_536);

interface Offered {
  readonly first: number;
  readonly fds: number[];
}

export interface Rogue {
  /** Sends any bytes, and fds if given, over its only lane; the result of sendmsg, or -errno. */
  laneSend(bytes: Uint8Array, fds?: readonly number[]): number;
  /** As laneSend, a well-formed message. */
  say(kind: number, first: number, count: number): number;
  controlSend(bytes: Uint8Array): number;
  /** Gives a connection back, with any bytes for it: the result of sendmsg, or -errno. For one that `moves`. */
  give(bytes: Uint8Array, fds: readonly number[]): number;
  /** The next word on its way back; undefined at its end. */
  word(): Promise<{ readonly isMoved: boolean; readonly number: number } | undefined>;
  /** The same as it came: what is no word too; empty at its end. */
  said(): Promise<Uint8Array>;
  /** Its own fd of its lane. */
  readonly lane: number;
  /** The next connections that the head offers; rejects when there are none for so long, milliseconds. */
  offered(withinMs?: number): Promise<Offered>;
  /** The next control message; undefined when the head has closed the channel. Pings are answered without being asked. */
  control(): Promise<FromHead | undefined>;
  /** Leaves without a word, as a killed process does. */
  die(): void;
}

/** Registers with a head that has one worker. */
export async function startRogue(path: string, hello: Partial<Hello> = {}): Promise<Rogue> {
  const socket = connectSeqpacket(path);
  const lanes: number[] = [];
  let open = true;

  function sendOn(fd: number, bytes: Uint8Array, fds: readonly number[] = []): number {
    messenger.bytes.set(bytes);
    messenger.fds.set(fds);
    return messenger.send(fd, bytes.length, fds.length);
  }
  /** Undefined: nothing there. */
  function receiveOn(fd: number): { bytes: Buffer; fds: number[] } | undefined {
    const n = messenger.receive(fd);
    if (n === EAGAIN) return undefined;
    const bytes = Buffer.from(messenger.bytes.subarray(0, Math.max(n, 0)));
    return { bytes, fds: [...messenger.fds.subarray(0, messenger.received)] };
  }
  const controlSend = (bytes: Uint8Array): number => sendOn(socket, bytes);
  const tell = (message: FromDelivery): number => controlSend(encodeControl(message));

  const inbox: { message: FromHead | undefined }[] = [];
  const ready = watchReadable(socket, () => {
    const packet = receiveOn(socket);
    if (!packet) return;
    lanes.push(...packet.fds);
    const message = packet.bytes.length === 0 ? undefined : decodeFromHead(packet.bytes);
    if (message?.type === 'ping') tell({ type: 'pong', direct: 0 });
    else inbox.push({ message });
    if (!message) ready.close();
  });

  const rogue: Rogue = {
    laneSend: (bytes, fds) => sendOn(lanes[0]!, bytes, fds),
    say(kind, first, count) {
      const bytes = Buffer.alloc(16);
      return sendOn(lanes[0]!, bytes.subarray(0, writeRange(bytes, kind, first, count)));
    },
    controlSend,
    give: (bytes, fds) => sendOn(lanes[1]!, bytes, fds),
    async word() {
      const bytes = await rogue.said();
      return readWord(bytes, bytes.length);
    },
    async said() {
      const packet = (await until(
        'a word',
        () => receiveOn(lanes[1]!),
        (answer) => answer !== undefined,
      ))!;
      return packet.bytes;
    },
    get lane() {
      return lanes[0]!;
    },
    async offered(withinMs) {
      const packet = (await until(
        'an offer',
        () => receiveOn(lanes[0]!),
        (answer) => answer !== undefined,
        withinMs,
      ))!;
      if (!readLane(packet.bytes, packet.bytes.length)) throw new Error('not an offer');
      return { first: laneMessage.first, fds: packet.fds };
    },
    async control() {
      await until(
        'a control message',
        () => inbox.length,
        (length) => length > 0,
      );
      return inbox.shift()!.message;
    },
    die() {
      if (!open) return;
      open = false;
      ready.close();
      for (const fd of [socket, ...lanes]) closeFd(fd);
    },
  };
  tell({
    type: 'hello',
    version: 1,
    name: 'rogue',
    pid: process.pid,
    credits: 100,
    weight: 1,
    direct: null,
    active: 0,
    ...hello,
  });
  const welcome = await rogue.control();
  if (welcome?.type !== 'welcome') throw new Error(`no welcome: ${JSON.stringify(welcome)}`);
  return rogue;
}
