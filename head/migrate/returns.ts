/**
 * What one delivery of another host gives back. It has sent what its kernel knew of the connection, and keeps its socket, mute and
 * deaf, until it has a word. Here a mute copy is made, and whoever is to have it is chosen:
 *
 *     delivery                            head
 *     hold, freeze, deafen, save -- give{state} --> a mute copy; a worker chooses, and takes a credit
 *                                                   the table: no more to the delivery
 *     its socket goes, a second later <-- moved --- the copy comes to life: it is the head's, as one that was just accepted
 *     or it goes on                   <-- kept ---- nobody else can have it, or it is no connection of the delivery's any more
 *
 * The table is changed first: it is what a delivery that has lost the word is answered by, of this head or its successor. What
 * becomes of the connection then is as of any other (handoff.md, migration.md). The delivery's half is in
 * delivery/remote/given-back.ts; docs/model/move-remote.pml is both in every order.
 */
import { addressBytes } from '../../shared/addresses.ts';
import { BatonError } from '../../shared/errors.ts';
import { socketCookie } from '../../shared/sys/cookie.ts';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { decodeSaved, type PreparedConnection, prepare, Refusal } from '../../shared/tcp-repair/index.ts';
import { endsText, trace } from '../../shared/trace.ts';
import type { HostPort } from '../../shared/units.ts';
import { FLOW_KEY_SIZE, flowKey } from '../../shared/wire/remote/flow-key.ts';
import type { FromRemote, ToRemote } from '../../shared/wire/remote/messages.ts';
import type { Steering } from '../steer/index.ts';
import type { Flows } from './flows.ts';
import type { Measures } from './measures.ts';
import type { Weighing } from './weighing.ts';

/** Mute copies of one delivery at once; it gives no more than this without a word. */
const PENDING_MAX = 64;

export interface ReturnsParts {
  readonly steering: Steering;
  readonly flows: Flows;
  readonly measures: Measures;
  readonly weighing: Weighing;
  /** Where clients connect to. */
  readonly listen: HostPort;
  /** The longest head of a request that is looked at. */
  readonly headBytes: number;
  /** The address is here, and not at another head. */
  readonly isActive: () => boolean;
}

export interface Giver {
  readonly name: string;
  readonly slot: number;
  readonly say: (message: ToRemote) => void;
}

interface Pending {
  readonly id: number;
  readonly key: Buffer;
  readonly copy: PreparedConnection;
  readonly ends: string;
  ticket: number;
}

export class Returns {
  readonly #parts: ReturnsParts;
  readonly #from: Giver;
  readonly #pending = new Map<number, Pending>();

  constructor(parts: ReturnsParts, from: Giver) {
    this.#parts = parts;
    this.#from = from;
  }

  /** Throws PROTOCOL for what is no connection, or none that it can have had of a head. */
  give({ id, state, app }: FromRemote & { type: 'give' }): void {
    const { weighing, steering, headBytes, isActive } = this.#parts;
    const { regains } = this.#parts.flows;
    const { name, slot } = this.#from;
    if (this.#pending.has(id))
      throw new BatonError('PROTOCOL', { problem: `${id} was given and has no word` });
    const saved = decodeSaved(state);
    const key = flowKey(saved);
    const its = regains.keyOf(name, id);
    if (!this.#isListenedAt(saved.server) || (its && !its.equals(key)))
      throw new BatonError('PROTOCOL', {
        problem: `${id} is another connection than the one that it was given`,
      });
    // Its client has used its port again, say, and it has not learned of that yet.
    if (!its || !regains.isSteered(name, id)) return this.#keep(id, 'given-late');
    if (!isActive() || !steering.isAttached || this.#pending.size >= PENDING_MAX)
      return this.#keep(id, 'given-busy');
    if (!regains.isCopied(key, id, true)) return this.#keep(id, 'given-busy');
    const copy = prepare(saved);
    if (copy instanceof Refusal) {
      regains.isCopied(key, id, false);
      return this.#keep(id, copy.reason);
    }
    const ends = endsText(saved.client, saved.server);
    const pending: Pending = { id, key, copy, ends, ticket: 0 };
    this.#pending.set(id, pending);
    const question = {
      from: slot,
      fd: copy.fd,
      address: saved.client.address,
      input: Uint8Array.prototype.slice.call(saved.received, 0, headBytes),
      state: app && Uint8Array.from(app),
    };
    pending.ticket = weighing.ask(question, (isPossible) => {
      this.#pending.delete(id);
      if (isPossible) return this.#decide(pending);
      this.#abandon(pending);
      this.#keep(id, 'given-nobody');
    });
  }

  #isListenedAt({ address, port }: Endpoint): boolean {
    const { listen } = this.#parts;
    const own = addressBytes(listen.host);
    return port === listen.port && (own.every((byte) => byte === 0) || Buffer.compare(own, address) === 0);
  }

  #keep(id: number, reason: string): void {
    this.#parts.measures.declined(reason);
    this.#from.say({ type: 'kept', id });
  }

  #abandon({ id, key, copy }: Pending): void {
    copy.abandon();
    this.#parts.flows.regains.isCopied(key, id, false);
  }

  /** From the change of the table on it is the head's. */
  #decide(pending: Pending): void {
    const { id, key, copy, ends, ticket } = pending;
    const { measures, weighing, isActive } = this.#parts;
    const { regains } = this.#parts.flows;
    const { name, say } = this.#from;
    if (!isActive() || !regains.isSteered(name, id) || !regains.begin(name, id)) {
      this.#abandon(pending);
      weighing.forsake(ticket);
      return this.#keep(id, 'given-late');
    }
    say({ type: 'moved', id });
    const fd = copy.activate();
    if (fd instanceof Refusal) {
      measures.count('unknown', fd.reason);
      regains.lost(key, id);
      return weighing.forsake(ticket);
    }
    trace?.say(`m${id}`, 'restore', `c${socketCookie(fd)}`, ends);
    regains.lives(key, id);
    weighing.regained(ticket, fd);
  }

  /** It is dropped. What has no word stays its own: it asks for that when it registers again. */
  end(): void {
    for (const pending of this.#pending.values()) {
      this.#abandon(pending);
      this.#parts.weighing.cancel(pending.ticket);
    }
    this.#pending.clear();
  }
}

/** What a delivery that registers holds; of what is doubtful, what it keeps and what is not its own any more. */
export interface Settled {
  readonly ids: number[];
  readonly keys: Buffer;
  readonly kept: number[];
  readonly moved: number[];
}

/** By the table: it is changed before a delivery's connection becomes somebody else's, and outlives the head that has changed it. */
export function settleDoubts(
  steering: Steering,
  ids: readonly number[],
  keys: Buffer,
  doubtful: ReadonlySet<number>,
): Settled {
  const settled = { ids: [] as number[], kept: [] as number[], moved: [] as number[] };
  const held: Buffer[] = [];
  for (const [index, id] of ids.entries()) {
    const key = keys.subarray(index * FLOW_KEY_SIZE, (index + 1) * FLOW_KEY_SIZE);
    if (doubtful.has(id)) {
      const entry = steering.find(key);
      if (entry?.action !== 'forward' || entry.id !== id) {
        settled.moved.push(id);
        continue;
      }
      settled.kept.push(id);
    }
    settled.ids.push(id);
    held.push(key);
  }
  return { ...settled, keys: Buffer.concat(held) };
}
