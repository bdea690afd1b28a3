/**
 * Flows by what they are asked for: their ends, and their number with who has them. Numbers are their heads': two heads may
 * give the same one, to different deliveries.
 */
import { FLOWS_LISTED, type FlowStatus } from '../../shared/status.ts';
import type { SavedConnection } from '../../shared/tcp-repair/index.ts';
import { formatHostPort } from '../../shared/units.ts';
import { readKey, type Steering } from '../steer/index.ts';
import { nameOf } from './orphans.ts';

/** A connection that was committed and not said to live: enough of it to tell its client. */
export interface Unconfirmed {
  readonly key: Buffer;
  readonly saved: SavedConnection;
}

export interface Flow {
  readonly id: number;
  readonly key: Buffer;
  readonly owner: string;
  /** Its delivery is gone and has not said that it lives. */
  doubt?: Unconfirmed;
}

export class FlowBook {
  readonly #byName = new Map<string, Flow>();
  readonly #byOwner = new Map<string, Map<number, Flow>>();

  get count(): number {
    return this.#byName.size;
  }

  at(name: string): Flow | undefined {
    return this.#byName.get(name);
  }

  /** Whatever has its ends by now. */
  of(owner: string, id: number): Flow | undefined {
    return this.#byOwner.get(owner)?.get(id);
  }

  ofOwner(owner: string): Flow[] {
    return [...(this.#byOwner.get(owner)?.values() ?? [])];
  }

  /** In the place of whatever had these ends. */
  add(flow: Flow): void {
    const name = nameOf(flow.key);
    const before = this.#byName.get(name);
    if (before) this.#strike(before);
    this.#byName.set(name, flow);
    const owned = this.#byOwner.get(flow.owner) ?? new Map<number, Flow>();
    this.#byOwner.set(flow.owner, owned.set(flow.id, flow));
  }

  /** False where another connection has its ends by now. */
  remove(flow: Flow): boolean {
    this.#strike(flow);
    const name = nameOf(flow.key);
    return this.#byName.get(name) === flow && this.#byName.delete(name);
  }

  #strike({ owner, id }: Flow): void {
    const owned = this.#byOwner.get(owner);
    owned?.delete(id);
    if (owned?.size === 0) this.#byOwner.delete(owner);
  }

  /** The first flows, for people; `unclaimed`: those that nobody has said to have. */
  list(steering: Steering, unclaimed: Iterable<Buffer>): FlowStatus[] {
    const found: FlowStatus[] = [];
    const nobodys = [...unclaimed].map((key) => ({ key, owner: null }));
    for (const { key, owner } of [...this.#byName.values(), ...nobodys].slice(0, FLOWS_LISTED)) {
      const { client, server } = readKey(key);
      const { action = 'gone', packets = 0, bytes = 0 } = steering.find(key) ?? {};
      found.push({
        client: formatHostPort(client),
        server: formatHostPort(server),
        delivery: owner,
        action,
        packets,
        bytes,
      });
    }
    return found;
  }
}
