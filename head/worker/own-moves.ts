/**
 * A worker's own migrations to one delivery (migrate/migrations.ts): over a lane that the delivery has opened for this worker, on
 * the thread that has accepted the connections. The main thread is woken for none of them: it reads what has moved when it
 * needs to know (migrate/journal.ts), and is told what nobody may have, which is rare.
 */
import { BatonError } from '../../shared/errors.ts';
import { type Epoll, READABLE, WRITABLE } from '../../shared/sys/epoll.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { LaneSocket } from '../../shared/wire/remote/lane-socket.ts';
import { checkFromRemote, type FromRemote, type ToRemote } from '../../shared/wire/remote/messages.ts';
import { Opener, Sealer } from '../../shared/wire/remote/sealed.ts';
import { Due } from '../migrate/alarm.ts';
import type { Unconfirmed } from '../migrate/flow-book.ts';
import { Ids } from '../migrate/ids.ts';
import { Journal } from '../migrate/journal.ts';
import { Measures } from '../migrate/measures.ts';
import { Migrations } from '../migrate/migrations.ts';
import { encoderFor, type MovedFlows } from '../migrate/moving.ts';
import type { NextHop } from '../steer/index.ts';
import { FlowTable } from '../steer/table.ts';
import type { FromWorker, OwnLane, Settlement } from '../worker-messages.ts';
import { makeTag, TAG_LANE } from './connections.ts';

export interface OwnMovesParts {
  readonly slot: number;
  readonly registration: number;
  readonly epoll: Epoll;
  readonly tell: (message: FromWorker) => void;
  /** The fd of one that was `taken` is closed. */
  readonly settle: (fd: number, how: Settlement) => void;
}

export class OwnMoves {
  readonly #parts: OwnMovesParts;
  readonly #lane: LaneSocket;
  readonly #ids: Ids;
  readonly #journal: Journal;
  readonly #table: FlowTable;
  readonly #pending: Int32Array;
  readonly #migrations: Migrations;
  readonly #due: Due[] = [];
  readonly #tag: number;
  #hop: { readonly way: NextHop; readonly number: number };
  /** Of `#pending`. */
  #counted = 0;
  #watchesRoom = false;

  /** Takes over the lane's fd. */
  constructor(parts: OwnMovesParts, lane: OwnLane) {
    const { fd, keys, name, readsPath, memory, table, adoptTimeoutMs, hop } = lane;
    this.#parts = parts;
    this.#lane = new LaneSocket(fd, new Sealer(keys.toDelivery), new Opener(keys.toHead, 1));
    this.#ids = Ids.shared(memory.ids);
    this.#journal = new Journal(memory.journal);
    this.#table = new FlowTable(table);
    this.#pending = new Int32Array(memory.pending);
    this.#hop = hop;
    this.#tag = makeTag(TAG_LANE, parts.slot);
    const link = {
      peer: name,
      send: (message: object) => this.#say(message as ToRemote),
      together: <T>(items: readonly T[], work: (item: T) => void) => items.forEach(work),
      end: () => {},
      close: () => {},
    };
    this.#migrations = new Migrations(
      {
        steering: this.#table,
        flows: this.#flows(),
        measures: new Measures(memory.measures, (reason) => parts.tell({ type: 'stayed', reason })),
        adoptTimeoutMs,
        ids: this.#ids,
        alarm: (onDue) => {
          const due = new Due(onDue);
          this.#due.push(due);
          return due;
        },
        close: closeFd,
      },
      {
        name,
        link,
        encode: encoderFor(readsPath),
        hop: () => this.#hop.way,
        settle: (_worker, at, how) => parts.settle(at, how),
      },
    );
    parts.epoll.add(fd, READABLE, this.#tag);
    this.#lane.send({ type: 'open' });
    this.flush();
  }

  #flows(): MovedFlows {
    const journal = this.#journal;
    const { slot, registration, tell } = this.#parts;
    const uncertain = (id: number, { key, saved }: Unconfirmed, why: 'refused' | 'ended' | 'unsure') =>
      tell({ type: 'uncertain', slot, registration, id, key, saved, why });
    return {
      get room() {
        return journal.room;
      },
      beginToMove: () => journal.reserve(),
      stopMoving: (key, id) => {
        journal.cancel();
        this.#table.release(key, id);
      },
      add: (id, key) => journal.write({ id, key, slot, registration, hop: this.#hop.number }),
      doubt: (id, _owner, committed) =>
        uncertain(id, committed, this.#lane.end === 'closed' ? 'ended' : 'unsure'),
      resetAway: (id, _owner, committed) => uncertain(id, committed, 'refused'),
    };
  }

  #say(message: ToRemote): boolean {
    this.#lane.send(message);
    return true;
  }

  /** Their fds are left alone until they are settled. */
  begin(fds: readonly number[], states?: ReadonlyMap<number, Uint8Array>): void {
    this.#announce();
    this.#migrations.begin(0, fds, states);
  }

  /** Sends what is to be said. Throws when the delivery does not read. */
  flush(): void {
    if (this.#lane.isBlocked) this.#lane.flush();
    if (this.#lane.isFull !== this.#watchesRoom) {
      this.#watchesRoom = this.#lane.isFull;
      this.#parts.epoll.modify(this.#lane.fd, READABLE | (this.#watchesRoom ? WRITABLE : 0), this.#tag);
    }
    this.#account();
  }

  /** The lane has ended: nothing can be moved over it any more. */
  get hasEnded(): boolean {
    return this.#lane.end !== undefined;
  }

  /** Hears the delivery, and answers. Throws when that makes no sense. */
  read(): void {
    this.#announce();
    for (const message of this.#lane.read()) this.#hear(checkFromRemote(message));
    this.flush();
    if (this.#journal.isFilling) this.#parts.tell({ type: 'moved' });
  }

  #hear(message: FromRemote): void {
    switch (message.type) {
      case 'adopted':
        this.#migrations.onAdopted(message.id, message.micros);
        return;
      case 'live':
        return this.#migrations.onLive(message.ids);
      case 'refused':
        if (message.reason === 'id-in-use') this.#ids.collided();
        return this.#migrations.onRefused(message.id, message.reason);
      default:
        throw new BatonError('PROTOCOL', { problem: `${message.type} on a lane` });
    }
  }

  /** Its host is reached in another way. */
  setHop(way: NextHop, number: number): void {
    this.#hop = { way, number };
  }

  /** Does what is due; the milliseconds until more is. */
  tick(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#migrations.count > 0) this.#announce();
    for (const due of this.#due) next = Math.min(next, due.tick(now));
    this.#migrations.goOn();
    this.flush();
    return next;
  }

  /** It has all that it was given, and has said so. */
  get isConfirmed(): boolean {
    return this.#migrations.unconfirmed === 0;
  }

  /** Before a number may be taken: who has all rest must not find that nothing is under way meanwhile. `#account` corrects it. */
  #announce(): void {
    this.#counted++;
    Atomics.add(this.#pending, 0, 1);
  }

  #account(): void {
    const count = this.#migrations.pending;
    if (count === this.#counted) return;
    const before = Atomics.add(this.#pending, 0, count - this.#counted);
    if (before + count - this.#counted === 0) Atomics.notify(this.#pending, 0);
    this.#counted = count;
  }

  /**
   * The delivery is let go. Its last words count; what has not moved is the head's, and what may have is told of. All
   * is settled when this returns, but for what nobody has touched.
   */
  close(): void {
    try {
      for (const message of this.#lane.readAll()) this.#hearLast(checkFromRemote(message));
    } catch {
      // Nonsense is no reason to let it go once more.
    }
    // Whether it is dead the main thread knows.
    this.#migrations.end('reset');
    try {
      this.#lane.flush();
    } catch {
      // Then it hears of it by the end of the lane.
    }
    this.#account();
    this.#parts.epoll.remove(this.#lane.fd);
    closeFd(this.#lane.fd);
    this.#table.free();
  }

  #hearLast(message: FromRemote): void {
    if (message.type === 'live' || message.type === 'refused') this.#hear(message);
  }
}
