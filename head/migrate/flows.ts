/**
 * The head's book of flows that live on other hosts. A flow is written by its migration's id, not only by its addresses:
 * when a client uses a port again, what is said late about the old connection must not touch the new one.
 *
 * The kernel's table outlives the head, and so do the flows in it. A new head finds them unclaimed; each delivery claims
 * those that it still holds when it registers, and what nobody has claimed after a while is forgotten.
 */
import { FLOWS_LISTED, type FlowStatus } from '../../shared/status.ts';
import { formatHostPort } from '../../shared/units.ts';
import { FLOW_KEY_SIZE } from '../../shared/wire/remote/flow-key.ts';
import { type NextHop, readKey, type Steering } from '../steer/index.ts';

/** A client's last packets are on their way for less than this long, milliseconds, on any path that can be used. */
const LATE_PACKETS_MS = 1000;
/** Deliveries that live register again within this time of a head's start or of a broken link, milliseconds. */
const CLAIM_WITHIN_MS = 30_000;
/** And within this time of the first one of their host. */
const SAME_HOST_MS = 5000;
const TIDY_EVERY_MS = 250;

/** Found in the table at the start. */
interface Unclaimed {
  readonly key: Buffer;
  /** Of the host that its packets go to. */
  readonly mac: string | undefined;
  until: number;
}

interface Flow {
  readonly id: number;
  readonly key: Buffer;
  readonly owner: string;
}

/** A key as a Map's key: one character a byte. */
const nameOf = (key: Buffer): string => key.toString('latin1');

export class Flows {
  readonly #steering: Steering;
  readonly #byName = new Map<string, Flow>();
  readonly #byId = new Map<number, Flow>();
  readonly #unclaimed = new Map<string, Unclaimed>();
  /** Deliveries whose link has ended, and until when they may come back for their flows. */
  readonly #absent = new Map<string, number>();
  /** In the order in which they end. */
  readonly #ending: { readonly flow: Flow; readonly at: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  constructor(steering: Steering) {
    this.#steering = steering;
    const until = performance.now() + CLAIM_WITHIN_MS;
    steering.walk(({ mac }, key) => this.#unclaimed.set(nameOf(key), { key: Buffer.from(key), mac, until }));
    this.#timer = setInterval(() => this.#tidy(performance.now()), TIDY_EVERY_MS);
    this.#timer.unref();
  }

  get count(): number {
    return this.#byName.size + this.#unclaimed.size;
  }

  /** A new connection has these ends: whatever had them before is over. */
  supersede(key: Buffer): void {
    const name = nameOf(key);
    this.#unclaimed.delete(name);
    this.#byName.delete(name);
  }

  /** A connection lives with `owner` now, and its packets are sent there. */
  add(id: number, key: Buffer, owner: string): void {
    const flow = { id, key, owner };
    this.#byName.set(nameOf(key), flow);
    this.#byId.set(id, flow);
  }

  /** Its owner's kernel is done with it: it is forgotten when late packets can no longer come. */
  ended(ids: readonly number[], owner: string): void {
    const at = performance.now() + LATE_PACKETS_MS;
    for (const id of ids) {
      const flow = this.#byId.get(id);
      if (flow?.owner === owner) this.#ending.push({ flow, at });
    }
  }

  /** A delivery has registered: these are all the flows that it still has. */
  claim(owner: string, ids: readonly number[], keys: Buffer, hop: NextHop): void {
    this.#absent.delete(owner);
    const held = new Set(ids);
    for (const flow of [...this.#byId.values()]) {
      if (flow.owner === owner && !held.has(flow.id)) this.#forget(flow);
    }
    for (const [index, id] of ids.entries()) {
      const key = Buffer.from(keys.subarray(index * FLOW_KEY_SIZE, (index + 1) * FLOW_KEY_SIZE));
      const name = nameOf(key);
      // Another connection has these ends by now, and what the delivery holds is a leftover.
      if ((this.#byName.get(name)?.id ?? id) !== id) continue;
      this.#unclaimed.delete(name);
      this.#steering.forward(key, hop);
      this.add(id, key, owner);
    }
    const until = performance.now() + SAME_HOST_MS;
    for (const unclaimed of this.#unclaimed.values()) {
      if (unclaimed.mac === hop.mac) unclaimed.until = Math.min(unclaimed.until, until);
    }
  }

  /** A delivery's link has ended. It may live on, and its connections with it. */
  left(owner: string): void {
    this.#absent.set(owner, performance.now() + CLAIM_WITHIN_MS);
  }

  /** The first flows, for people. */
  list(): FlowStatus[] {
    const found: FlowStatus[] = [];
    const unclaimed = [...this.#unclaimed.values()].map(({ key }) => ({ key, owner: null }));
    for (const { key, owner } of [...this.#byName.values(), ...unclaimed].slice(0, FLOWS_LISTED)) {
      const { client, server } = readKey(key);
      const { action = 'gone', packets = 0, bytes = 0 } = this.#steering.find(key) ?? {};
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

  #tidy(now: number): void {
    while (this.#ending.length > 0 && this.#ending[0]!.at <= now) this.#forget(this.#ending.shift()!.flow);
    for (const [owner, until] of this.#absent) {
      if (until > now) continue;
      this.#absent.delete(owner);
      for (const flow of [...this.#byId.values()]) if (flow.owner === owner) this.#forget(flow);
    }
    for (const [name, { key, until }] of this.#unclaimed) {
      if (until > now) continue;
      this.#unclaimed.delete(name);
      this.#steering.forget(key);
    }
  }

  #forget(flow: Flow): void {
    this.#byId.delete(flow.id);
    const name = nameOf(flow.key);
    if (this.#byName.get(name) !== flow) return;
    this.#byName.delete(name);
    this.#steering.forget(flow.key);
  }

  close(): void {
    clearInterval(this.#timer);
    // All that is ending is over: nothing but these flows keeps the table in use.
    for (const { flow } of this.#ending.splice(0)) this.#forget(flow);
  }
}
