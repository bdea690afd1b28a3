/**
 * The delivery's half of a migration (the head's is head/migrate/migrations.ts): a connection is prepared when the head
 * asks, and comes to life only at the head's word, so that the two never both speak for it.
 *
 * A link that ends between `adopted` and the head's word leaves a copy that may not speak: the head may have taken its
 * connection back, and the word that said so may be what was lost. So the copy goes without one. The head, or the next one,
 * finds the connection in its table and sees to it.
 */
import { BatonError } from '../../shared/errors.ts';
import {
  decodeSaved,
  type Ends,
  type PreparedConnection,
  prepare,
  Refusal,
} from '../../shared/tcp-repair/index.ts';
import { endsText, trace } from '../../shared/trace.ts';
import type { FromRemote, ToRemote } from '../../shared/wire/remote/messages.ts';

interface Prepared {
  readonly connection: PreparedConnection;
  readonly ends: Ends;
  /** What its application needs to go on with it. */
  readonly app: Uint8Array | undefined;
}

/** What the connections of all heads share. */
export interface Room {
  /** False where another connection has this id. */
  reserve(id: number): boolean;
  /** Nothing has come of it. */
  release(id: number): void;
  /** Ends what this host still has of an earlier connection with these ends; false when it stays. */
  makeWay(ends: Ends): boolean;
}

export class Adoptions {
  readonly #vips: readonly Uint8Array[];
  readonly #room: Room;
  readonly #prepared = new Map<number, Prepared>();
  /** The latest that was offered: heads count upwards. */
  #last = -1;

  /** `vips`: connections to other addresses are none of ours. */
  constructor(vips: readonly Uint8Array[], room: Room) {
    this.#vips = vips;
    this.#room = room;
  }

  /** Copies that wait for a word. */
  get count(): number {
    return this.#prepared.size;
  }

  /** Makes the connection here, all but its coming to life; what to answer. Throws PROTOCOL. */
  adopt({ id, state, app }: ToRemote & { type: 'adopt' }): FromRemote {
    if (this.#prepared.has(id)) throw new BatonError('PROTOCOL', { problem: `a second adopt of ${id}` });
    this.#last = Math.max(this.#last, id);
    const began = performance.now();
    const saved = decodeSaved(state);
    if (!this.#vips.some((vip) => Buffer.compare(vip, saved.server.address) === 0))
      return { type: 'refused', id, reason: 'address-not-here' };
    if (!this.#room.reserve(id)) return { type: 'refused', id, reason: 'id-in-use' };
    let connection = prepare(saved);
    if (
      connection instanceof Refusal &&
      connection.reason === 'connection-exists' &&
      this.#room.makeWay(saved)
    )
      connection = prepare(saved);
    if (connection instanceof Refusal) {
      this.#room.release(id);
      return { type: 'refused', id, reason: connection.reason };
    }
    const { client, server } = saved;
    trace?.say(`m${id}`, 'prepare', endsText(client, server));
    this.#prepared.set(id, { connection, ends: { client, server }, app });
    return { type: 'adopted', id, micros: (performance.now() - began) * 1000 };
  }

  /** It is ours: the live connection; or a Refusal, and then nobody has it. Throws PROTOCOL. */
  commit(id: number): { fd: number; ends: Ends; app: Uint8Array | undefined } | Refusal {
    const { connection, ends, app } = this.#take(id, 'commit');
    trace?.say(`m${id}`, 'activate');
    const fd = connection.activate();
    if (!(fd instanceof Refusal)) return { fd, ends, app };
    this.#room.release(id);
    trace?.say(`m${id}`, 'refuse');
    return fd;
  }

  /** It stays with the head. What was refused may have been late with that: the head has not read it yet. Throws PROTOCOL. */
  abort(id: number): void {
    if (id <= this.#last && !this.#prepared.has(id)) return;
    this.#take(id, 'abort').connection.abandon();
    this.#room.release(id);
    trace?.say(`m${id}`, 'abandon');
  }

  #take(id: number, what: string): Prepared {
    const prepared = this.#prepared.get(id);
    if (!prepared) throw new BatonError('PROTOCOL', { problem: `${what} of ${id}, which is not prepared` });
    this.#prepared.delete(id);
    return prepared;
  }

  /** The link has ended, and no word will come. */
  end(): void {
    for (const [id, { connection }] of this.#prepared) {
      connection.abandon();
      this.#room.release(id);
      trace?.say(`m${id}`, 'abandon');
    }
    this.#prepared.clear();
  }
}
