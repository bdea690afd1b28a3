/**
 * The main thread's part where workers move connections themselves (worker/own-moves.ts): it gives them the lanes that
 * deliveries open, and keeps the book of flows by what they write into their journals.
 */
import type { SavedConnection } from '../../shared/tcp-repair/index.ts';
import type { OpenedLane } from '../../shared/wire/remote/front-door.ts';
import type { ServerLink } from '../../shared/wire/remote/link.ts';
import type { Steering } from '../steer/index.ts';
import type { FromWorker, MoveMemory, NumberedHop, ToWorker } from '../worker-messages.ts';
import type { Unconfirmed } from './flow-book.ts';
import type { Flows } from './flows.ts';
import type { Ids } from './ids.ts';
import { Journal } from './journal.ts';
import { Measures } from './measures.ts';
import type { Fate } from './moving.ts';

/** How often the journals are read when nothing else asks for it, milliseconds. */
const READ_EVERY_MS = 250;

/** A lane's end and its link's show one after the other; the link has the reason. Milliseconds. */
const LINK_FOLLOWS_MS = 1000;

/** A delivery, as far as it is asked for here. */
export interface LaneOwner {
  readonly slot: number | undefined;
  readonly registration: number;
  readonly name: string;
  /** It reads what a connection knew of its path. */
  readonly readsPath: boolean;
  /** Where its host is now. */
  readonly hop: NumberedHop;
  /** What is known of its end; undefined while it is there. */
  readonly fate: Fate | undefined;
  /** It has one more. */
  moved(): void;
  /** It has one less, which it could not bring to life. */
  lost(): void;
  /** It is let go. */
  letGo(reason: string): void;
}

type Uncertain = FromWorker & { type: 'uncertain' };

export interface WorkerLanesParts {
  readonly workers: number;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly steering: Steering;
  readonly flows: Flows;
  readonly ids: Ids;
  readonly adoptTimeoutMs: number;
  /** Of the main thread. */
  readonly measures: Measures;
}

export class WorkerLanes {
  readonly #parts: WorkerLanesParts;
  readonly #journals: Journal[];
  readonly #measures: Measures[];
  readonly #pending = new Int32Array(new SharedArrayBuffer(4));
  /** The last that had each slot: workers may tell of it until another has. */
  readonly #owners = new Map<number, LaneOwner>();
  /** What they may have, of those whose end is not known yet. */
  readonly #open = new Map<LaneOwner, Uncertain[]>();
  readonly #timer: NodeJS.Timeout;

  constructor(parts: WorkerLanesParts) {
    this.#parts = parts;
    this.#journals = Array.from({ length: parts.workers }, () => new Journal());
    this.#measures = Array.from({ length: parts.workers }, () => new Measures());
    this.#timer = setInterval(() => this.read(), READ_EVERY_MS).unref();
  }

  /** Of all threads. */
  get measures(): Measures {
    return Measures.sum(this.#parts.measures, this.#measures);
  }

  /** How many the workers have under way, or wait to hear of. */
  get pending(): number {
    return Atomics.load(this.#pending, 0);
  }

  /** Lets a delivery open a lane for each worker; how many. `onAll`: they are there. */
  offer(link: ServerLink, owner: LaneOwner, onAll: () => void = () => {}): number {
    const { workers } = this.#parts;
    let left = workers;
    const onLane = (lane: OpenedLane): void => {
      this.#give(owner, lane);
      if (--left === 0) onAll();
    };
    link.offerLanes({ count: workers, onLane });
    return workers;
  }

  #give(owner: LaneOwner, { index, fd, keys }: OpenedLane): void {
    const { steering, ids, adoptTimeoutMs, tell } = this.#parts;
    const { registration, name, readsPath, hop } = owner;
    const slot = owner.slot!;
    const memory: MoveMemory = {
      ids: ids.memory,
      journal: this.#journals[index]!.memory,
      measures: this.#measures[index]!.memory,
      pending: this.#pending.buffer as SharedArrayBuffer,
    };
    // What was moved to whoever had the slot before is his.
    this.read();
    this.#owners.set(slot, owner);
    const { table } = steering;
    const lane = { registration, name, readsPath, fd, keys, table, memory, adoptTimeoutMs, hop };
    tell(index, { type: 'own-lane', slot, lane });
  }

  /** The delivery's host is reached in another way. */
  moveTo({ slot, registration, hop }: LaneOwner): void {
    for (let worker = 0; worker < this.#parts.workers; worker++)
      this.#parts.tell(worker, { type: 'hop', slot: slot!, registration, hop });
  }

  /** Writes into the book of flows what the workers have moved. */
  read(): void {
    for (const journal of this.#journals) {
      journal.read(({ id, key, slot, registration, hop: number }) => {
        const owner = this.#owners.get(slot);
        if (owner?.registration !== registration) return;
        const { steering, flows } = this.#parts;
        const { hop } = owner;
        flows.add(id, key, owner.name);
        owner.moved();
        // The worker did not know yet.
        if (hop.number !== number && steering.find(key)?.action === 'forward')
          steering.forward(key, hop.way, { isOld: true, id, instead: id });
      });
    }
  }

  /** True for what is said here. */
  onWorker(message: FromWorker): boolean {
    if (message.type === 'moved') this.read();
    else if (message.type === 'stayed') this.#parts.measures.addReason(message.reason);
    else if (message.type === 'uncertain') this.#hear(message);
    else if (message.type === 'lane-ended') this.#lost(message);
    else return false;
    return true;
  }

  #ownerOf({ slot, registration }: Pick<Uncertain, 'slot' | 'registration'>): LaneOwner | undefined {
    const owner = this.#owners.get(slot);
    return owner?.registration === registration ? owner : undefined;
  }

  #lost(message: FromWorker & { type: 'lane-ended' }): void {
    const owner = this.#ownerOf(message);
    if (!owner || owner.fate !== undefined) return;
    setTimeout(() => {
      if (owner.fate === undefined) owner.letGo('one of its lanes has ended');
    }, LINK_FOLLOWS_MS).unref();
  }

  #hear(message: Uncertain): void {
    const owner = this.#ownerOf(message);
    if (!owner) return;
    this.read();
    if (message.why === 'refused') {
      owner.lost();
      return this.#parts.flows.resetAway(message.id, owner.name, committedOf(message));
    }
    const open = this.#open.get(owner) ?? [];
    this.#open.set(owner, [...open, message]);
    if (owner.fate !== undefined) this.ended(owner);
  }

  /** What is known of the delivery's end is known by now. */
  ended(owner: LaneOwner): void {
    const { flows } = this.#parts;
    const { name, fate } = owner;
    for (const message of this.#open.get(owner) ?? []) {
      const committed = committedOf(message);
      // Dead is who is so by both: what one of the two connections had to say may come later than the end of the other.
      if (message.why === 'ended' && fate === 'dead') {
        flows.resetAway(message.id, name, committed);
        this.#parts.measures.count('unknown', 'no word after commit');
      } else flows.doubt(message.id, name, committed, fate !== 'alive');
    }
    this.#open.delete(owner);
  }

  /** Resolves when nothing of the workers' is under way, at the latest after so many milliseconds. */
  async settle(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    for (;;) {
      const count = this.pending;
      const left = until - performance.now();
      if (count <= 0 || left <= 0) return;
      const { async, value } = Atomics.waitAsync(this.#pending, 0, count, left);
      if (async) await value;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.read();
  }
}

const committedOf = ({ key, saved }: Uncertain): Unconfirmed => ({
  key: Buffer.from(key),
  saved: own(saved),
});

/** Bytes that came from another thread are no Buffers. */
const own = (saved: SavedConnection): SavedConnection => ({
  ...saved,
  received: Buffer.from(saved.received),
  sent: Buffer.from(saved.sent),
  unsent: Buffer.from(saved.unsent),
});
