/** All lanes that a session with a head has opened, one for each of the head's workers. */
import { BatonError } from '../../shared/errors.ts';
import { closeKept } from '../../shared/sys/thread-end.ts';
import type { LaneSocket } from '../../shared/wire/remote/lane-socket.ts';
import type { ClientLink } from '../../shared/wire/remote/link.ts';
import { hurryingUntil } from './live-words.ts';
import { OwnLane, type OwnLaneEvents } from './own-lane.ts';

/** A lane's end and the link's show one after the other; the link has the reason. Milliseconds. */
const LINK_FOLLOWS_MS = 1000;
/** What the head had said on its lanes when its link ended comes within so long, milliseconds. */
const LAST_WORDS_MS = 200;

export interface OwnLanesEvents extends Pick<OwnLaneEvents, 'hear' | 'serve'> {
  /** One has ended, and the link has not. */
  onEnd(problem: string): void;
}

export class OwnLanes {
  readonly #events: OwnLanesEvents;
  readonly #lanes = new Set<OwnLane>();
  #timer: NodeJS.Timeout | undefined;
  #whenOver: (() => void) | undefined;
  #isOffered = false;
  /** What the head says on them is heard. */
  #isListening = false;
  #open = true;

  constructor(events: OwnLanesEvents) {
    this.#events = events;
  }

  /**
   * Those that the head offers, before its welcome or with it. One that can not be opened is done without: the head moves
   * connections over the link then. Throws PROTOCOL the second time.
   */
  open(count: number, link: Pick<ClientLink, 'openLane'>): void {
    if (this.#isOffered) throw new BatonError('PROTOCOL', { problem: 'lanes that were offered before' });
    this.#isOffered = true;
    for (let index = 0; index < count; index++) void this.#openOne(index, link);
  }

  async #openOne(index: number, link: Pick<ClientLink, 'openLane'>): Promise<void> {
    const socket = await link.openLane(index).catch(() => undefined);
    if (!socket) return;
    if (this.#open) this.#add(socket);
    else closeKept(socket.fd);
  }

  #add(socket: LaneSocket): void {
    const { hear, serve } = this.#events;
    const lane = new OwnLane(socket, { hear, serve, onEnd: (one, problem) => this.#ended(one, problem) });
    this.#lanes.add(lane);
    if (this.#isListening) lane.listen();
  }

  /** The head has welcomed us: it may have said something on lanes already. */
  listen(): void {
    this.#isListening = true;
    for (const lane of this.#lanes) lane.listen();
  }

  /** A successor of the head is to come: the words that connections live are waited for. */
  hurry(): void {
    const until = hurryingUntil();
    for (const lane of this.#lanes) lane.hurry(until);
  }

  #ended(lane: OwnLane, problem: string | undefined): void {
    this.#lanes.delete(lane);
    if (!this.#open) {
      if (this.#lanes.size === 0) this.#over();
      return;
    }
    if (problem !== undefined) return this.#events.onEnd(problem);
    if (!lane.isInUse) return;
    this.#timer ??= setTimeout(() => this.#events.onEnd('a lane to the head has ended'), LINK_FOLLOWS_MS);
    this.#timer.unref();
  }

  /**
   * The link has ended. What the head had said on its lanes may still be on its way: the word that a copy is ours. Calls
   * `then` when all has been heard; at once where no copy waits (`isAwaited`).
   */
  end(isAwaited: () => boolean, then: () => void): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#timer);
    for (const lane of [...this.#lanes]) {
      if (!lane.finish()) continue;
      lane.close();
      this.#lanes.delete(lane);
    }
    this.#whenOver = then;
    if (this.#lanes.size === 0 || !isAwaited()) return this.#over();
    this.#timer = setTimeout(() => this.#over(), LAST_WORDS_MS);
  }

  #over(): void {
    clearTimeout(this.#timer);
    for (const lane of this.#lanes) lane.close();
    this.#lanes.clear();
    const then = this.#whenOver;
    this.#whenOver = undefined;
    then?.();
  }
}
