/** The lanes of a rogue (rogue-remote.ts): what is said of a connection goes where it was offered. */
import { type Readiness, watchReadable } from '../../shared/sys/readiness.ts';
import { resetConnection } from '../../shared/sys/sockets.ts';
import { closeKept } from '../../shared/sys/thread-end.ts';
import type { LaneSocket } from '../../shared/wire/remote/lane-socket.ts';
import type { ClientLink } from '../../shared/wire/remote/link.ts';
import { checkToRemote, type FromRemote, type ToRemote } from '../../shared/wire/remote/messages.ts';
import { until } from './until.ts';

export class RogueLanes {
  readonly #lanes: { readonly socket: LaneSocket; readonly ready: Readiness }[] = [];
  readonly #laneOf = new Map<number, LaneSocket>();
  readonly #onMessage: (message: ToRemote) => void;
  #opened = 0;
  ended = 0;

  constructor(onMessage: (message: ToRemote) => void) {
    this.#onMessage = onMessage;
  }

  async open(link: ClientLink, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const socket = await link.openLane(index);
      const ready = watchReadable(socket.fd, () => this.#read(socket, ready));
      this.#lanes.push({ socket, ready });
    }
    await until(
      'every worker has its lane',
      () => this.#opened,
      (opened) => opened === count,
    );
  }

  #read(socket: LaneSocket, ready: Readiness): void {
    for (const value of socket.read()) {
      const message = checkToRemote(value);
      if (message.type === 'open') this.#opened++;
      else {
        if (message.type === 'adopt') this.#laneOf.set(message.id, socket);
        this.#onMessage(message);
      }
    }
    if (!socket.end) return;
    this.ended++;
    ready.close();
  }

  /** False for what has no lane. */
  say(message: FromRemote | object): boolean {
    const { id, ids = [id] } = message as { id?: number; ids?: (number | undefined)[] };
    const lane = this.#laneOf.get(ids[0] ?? -1);
    const { type } = message as FromRemote;
    if (!lane || type === 'ended' || type === 'holding') return false;
    lane.send(message);
    lane.flush();
    return true;
  }

  /** Whatever it is, on every lane. */
  sayToAll(message: object): void {
    for (const { socket } of this.#lanes) {
      socket.send(message);
      socket.flush();
    }
  }

  reset(): void {
    for (const { socket } of this.#lanes) resetConnection(socket.fd);
  }

  close(): void {
    for (const { socket, ready } of this.#lanes.splice(0)) {
      ready.close();
      closeKept(socket.fd);
    }
  }
}
