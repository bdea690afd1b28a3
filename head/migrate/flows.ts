/**
 * The head's book of flows that live on other hosts. A flow is written by its migration's id, not only by its addresses:
 * when a client uses a port again, what is said late about the old connection must not touch the new one.
 *
 * The kernel's table outlives the head, and so do the flows in it. A new head finds them unclaimed; each delivery claims
 * those that it still holds when it registers. A flow is forgotten when its delivery says so, when the delivery has
 * registered and does not hold it, or when the host that it is steered to has gone: never because time has passed
 * without a word, for a delivery that the head cannot hear may serve its connections all the same. Whose flow is
 * forgotten without its kernel having ended it, is told; and the clients of those that nobody speaks for are made to
 * send something, to which the kernel of a host whose process has died says what there is to say.
 */
import { FLOWS_LISTED, type FlowStatus } from '../../shared/status.ts';
import { type Conntrack, openConntrack } from '../../shared/sys/conntrack.ts';
import { prepare, Refusal, type SavedConnection } from '../../shared/tcp-repair/index.ts';
import { trace } from '../../shared/trace.ts';
import { formatHostPort } from '../../shared/units.ts';
import { endsOfKey, FLOW_KEY_SIZE } from '../../shared/wire/remote/flow-key.ts';
import { type NextHop, neighbourWith, readKey, type Steering } from '../steer/index.ts';
import { haveNobody, nameOf, type Orphans } from './orphans.ts';
import { Teller } from './teller.ts';

/** A client's last packets are on their way for less than this long, milliseconds, on any path that can be used. */
const LATE_PACKETS_MS = 1000;
/** Deliveries register again within this time of a head's start or a broken link, milliseconds; then their host is asked, so often. */
const CLAIM_WITHIN_MS = 30_000;
/** And within this time of the first one of their host. */
const SAME_HOST_MS = 5000;
const TIDY_EVERY_MS = 250;
/** How often it is found out whether the kernel tracks connections here: a firewall may come later, milliseconds. */
const CONNTRACK_EVERY_MS = 1000;

/** A connection that was committed and not said to live: enough of it to tell its client. */
export interface Unconfirmed {
  readonly key: Buffer;
  readonly saved: SavedConnection;
}

interface Flow {
  readonly id: number;
  readonly key: Buffer;
  readonly owner: string;
  /** Its delivery is gone and has not said that it lives. */
  doubt?: Unconfirmed;
}

export class Flows {
  readonly #steering: Steering;
  readonly #claimWithinMs: number;
  readonly #teller = new Teller();
  readonly #byName = new Map<string, Flow>();
  readonly #byId = new Map<number, Flow>();
  /** On their way: the migration that has the entry in the table. */
  readonly #moving = new Map<string, number>();
  /** Found in the table at the start, with the MAC address of the host that its packets go to. */
  readonly #unclaimed = new Map<string, { readonly key: Buffer; readonly mac: string }>();
  /** By MAC address: the unclaimed flows of a host. By name: those of a delivery whose link has ended. */
  readonly #orphansOfHost = new Map<string, Orphans>();
  readonly #orphansOfOwner = new Map<string, Orphans>();
  /** In the order in which they end. */
  readonly #ending: { readonly flow: Flow; readonly at: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #conntrack: Conntrack | undefined = openConntrack();
  #isTracked = false;
  #askedConntrackAt = Number.NEGATIVE_INFINITY;

  constructor(steering: Steering, claimWithinMs = CLAIM_WITHIN_MS) {
    this.#steering = steering;
    this.#claimWithinMs = claimWithinMs;
  }

  /** What is in the table is this head's from here on: no other one is at it any more. */
  begin(): this {
    const frozen: Buffer[] = [];
    this.#steering.walk(({ action, mac }, key) => {
      const own = Buffer.from(key);
      // An earlier head died while it moved them, and their sockets with it.
      if (action === 'forward') this.#unclaimed.set(nameOf(own), { key: own, mac: mac! });
      else frozen.push(own);
    });
    for (const key of frozen) this.#tell(key);
    for (const { mac } of this.#unclaimed.values()) this.#expect(mac);
    this.#tidy(performance.now());
    this.#timer = setInterval(() => this.#tidy(performance.now()), TIDY_EVERY_MS);
    this.#timer.unref();
    return this;
  }

  get count(): number {
    return this.#byName.size + this.#unclaimed.size;
  }

  /** Its deliveries are expected to claim what is steered to this host. */
  #expect(mac: string): void {
    if (this.#orphansOfHost.has(mac)) return;
    const keys = () => [...this.#unclaimed.values()].filter((one) => one.mac === mac).map(({ key }) => key);
    this.#orphansOfHost.set(mac, {
      until: performance.now() + this.#claimWithinMs,
      isAsking: false,
      address: () => neighbourWith(mac),
      keys,
      drop: (key) => {
        if (this.#unclaimed.delete(nameOf(key))) this.#tell(key);
      },
      seen: new Map(),
    });
  }

  /** A new connection has these ends: whatever had them before is over. Ended by `stopMoving` or `add`. */
  beginToMove(key: Buffer, id: number): void {
    const name = nameOf(key);
    this.#moving.set(name, id);
    this.#unclaimed.delete(name);
    const flow = this.#byName.get(name);
    if (!flow) return;
    this.#byName.delete(name);
    this.#byId.delete(flow.id);
  }

  /**
   * It stays with the head. The entry is left where a new connection has it by now: a client may reset one that is on its
   * way, and use its port again.
   */
  stopMoving(key: Buffer, id: number): void {
    const name = nameOf(key);
    if (this.#moving.get(name) !== id) return;
    this.#moving.delete(name);
    this.#steering.forget(key);
  }

  /** A connection lives with `owner` now, and its packets are sent there. */
  add(id: number, key: Buffer, owner: string): void {
    const flow = { id, key, owner };
    const name = nameOf(key);
    this.#moving.delete(name);
    this.#byName.set(name, flow);
    this.#byId.set(id, flow);
    // From here on the head's kernel sees nothing of it, its end neither: a firewall's entry would stay for five days.
    if (this.#isTracked) this.#conntrack?.forget(endsOfKey(key));
  }

  /**
   * Its owner has gone, and may live: whether the connection does shows when it registers again. `isToBeAsked`: its process
   * has ended, it seems, and its host's kernel says so to a client that is made to send something.
   */
  doubt(id: number, owner: string, committed: Unconfirmed, isToBeAsked: boolean): void {
    const flow = this.#byId.get(id);
    if (flow?.owner !== owner) return;
    flow.doubt = committed;
    trace?.say(`m${id}`, 'doubt');
    if (isToBeAsked) this.#teller.ask(flow.key);
  }

  /** Nobody has it: what was saved is enough to tell the client. Nothing to tell when that has its ends in use again. */
  resetAway(id: number, { key, saved }: Unconfirmed): void {
    trace?.say(`m${id}`, 'resetAway');
    const flow = this.#byId.get(id);
    if (!flow || !this.#unlist(flow)) return;
    this.#steering.forget(key);
    const copy = prepare(saved);
    if (copy instanceof Refusal) this.#teller.tell(key);
    else copy.reset();
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
    this.#orphansOfOwner.delete(owner);
    const held = new Set(ids);
    const ending = new Set(this.#ending.map(({ flow }) => flow));
    for (const flow of [...this.#byId.values()]) {
      if (flow.owner === owner && !held.has(flow.id) && !ending.has(flow)) this.#drop(flow);
    }
    for (const [index, id] of ids.entries()) {
      const key = Buffer.from(keys.subarray(index * FLOW_KEY_SIZE, (index + 1) * FLOW_KEY_SIZE));
      const name = nameOf(key);
      // Another connection has these ends by now, and what the delivery holds is a leftover.
      if ((this.#byName.get(name)?.id ?? id) !== id) continue;
      // Or it is on its way to where that will be said.
      if ((this.#steering.find(key)?.action ?? 'forward') !== 'forward') continue;
      // Or it is steered to another host, for a later connection of the same ends.
      if ((this.#unclaimed.get(name)?.mac ?? hop.mac) !== hop.mac) continue;
      this.#unclaimed.delete(name);
      this.#steering.forward(key, hop, true);
      this.add(id, key, owner);
    }
    const orphans = this.#orphansOfHost.get(hop.mac);
    if (!orphans) return;
    // What the others of its host hold they claim as soon; what is left then is nobody's.
    orphans.until = Math.min(orphans.until, performance.now() + SAME_HOST_MS);
    orphans.address = () => Promise.resolve(undefined);
  }

  /** A delivery's host has another card. */
  move(owner: string, hop: NextHop): void {
    for (const flow of this.#byName.values()) {
      // One that is not in the table was replaced by a new connection of its client's, which the head has.
      if (flow.owner === owner && this.#steering.find(flow.key)?.action === 'forward')
        this.#steering.forward(flow.key, hop, true);
    }
  }

  /** A delivery's link has ended. It may live on, and its connections with it. `address`: of its host. */
  left(owner: string, address: string): void {
    this.#orphansOfOwner.set(owner, {
      until: performance.now() + this.#claimWithinMs,
      isAsking: false,
      address: () => Promise.resolve(address),
      keys: () => [...this.#byName.values()].filter((flow) => flow.owner === owner).map(({ key }) => key),
      drop: (key) => {
        const flow = this.#byName.get(nameOf(key));
        if (flow?.owner === owner) this.#drop(flow);
      },
      seen: new Map(),
    });
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
    if (now - this.#askedConntrackAt >= CONNTRACK_EVERY_MS) {
      this.#askedConntrackAt = now;
      this.#isTracked = this.#conntrack?.isInUse() ?? false;
    }
    while (this.#ending.length > 0 && this.#ending[0]!.at <= now) this.#forget(this.#ending.shift()!.flow);
    for (const all of [this.#orphansOfOwner, this.#orphansOfHost]) {
      for (const [name, orphans] of all) {
        if (orphans.until > now || orphans.isAsking) continue;
        orphans.isAsking = true;
        void haveNobody(orphans, this.#steering, this.#teller).then((isOver) => {
          orphans.isAsking = false;
          orphans.until = performance.now() + this.#claimWithinMs;
          // Another may have come in its place meanwhile.
          if (isOver && all.get(name) === orphans) {
            all.delete(name);
            for (const key of orphans.keys()) orphans.drop(key);
          }
        });
      }
    }
  }

  /** Nobody has it, and its client may not know. */
  #drop(flow: Flow): void {
    if (flow.doubt) this.resetAway(flow.id, flow.doubt);
    else if (this.#unlist(flow)) this.#tell(flow.key);
  }

  #tell(key: Buffer): void {
    this.#steering.forget(key);
    this.#teller.tell(key);
  }

  #forget(flow: Flow): void {
    if (this.#unlist(flow)) this.#steering.forget(flow.key);
  }

  /** False where another connection has its ends by now. */
  #unlist(flow: Flow): boolean {
    this.#byId.delete(flow.id);
    const name = nameOf(flow.key);
    return this.#byName.get(name) === flow && this.#byName.delete(name);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#teller.close();
    this.#conntrack?.close();
    // All that is ending is over: nothing but these flows keeps the table in use.
    for (const { flow } of this.#ending.splice(0)) this.#forget(flow);
  }
}
