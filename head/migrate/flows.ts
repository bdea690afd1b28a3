/**
 * The head's book of flows that live on other hosts. A flow is written by its migration's id, not only by its addresses:
 * when a client uses a port again, what is said late about the old connection must not touch the new one. Where another head
 * has moved a connection, its delivery tells of it (`announce`): what clients send may come here next. Of two connections with
 * the same ends the one with the higher id is the later one (ids.ts).
 *
 * The kernel's table outlives the head, and so do the flows in it. A new head finds them unclaimed; each delivery claims
 * those that it still holds when it registers. A flow is forgotten when its delivery says so, when the delivery has
 * registered and does not hold it, or when the host that it is steered to has gone: never because time has passed
 * without a word, for a delivery that the head cannot hear may serve its connections all the same. Whose flow is
 * forgotten without its kernel having ended it, is told; and the clients of those that nobody speaks for are made to
 * send something, to which the kernel of a host whose process has died says what there is to say.
 */
import type { FlowStatus } from '../../shared/status.ts';
import { type Conntrack, openConntrack } from '../../shared/sys/conntrack.ts';
import { prepare, Refusal } from '../../shared/tcp-repair/index.ts';
import { trace } from '../../shared/trace.ts';
import { endsOfKey, FLOW_KEY_SIZE } from '../../shared/wire/remote/flow-key.ts';
import { type NextHop, neighbourWith, type Steering } from '../steer/index.ts';
import { Ending } from './ending.ts';
import { type Flow, FlowBook, type Unconfirmed } from './flow-book.ts';
import { findFlows, type Unclaimed } from './found-flows.ts';
import { Ids } from './ids.ts';
import type { MovedFlows } from './moving.ts';
import { haveNobody, nameOf, type Orphans } from './orphans.ts';
import { Regains } from './regains.ts';
import { Teller } from './teller.ts';

/** Deliveries register again within this time of a head's start or a broken link, milliseconds; then their host is asked, so often. */
const CLAIM_WITHIN_MS = 30_000;
/** And within this time of the first one of their host. */
const SAME_HOST_MS = 5000;
const TIDY_EVERY_MS = 250;
/** How often it is found out whether the kernel tracks connections here: a firewall may come later, milliseconds. */
const CONNTRACK_EVERY_MS = 1000;

export class Flows implements MovedFlows {
  readonly #steering: Steering;
  readonly #claimWithinMs: number;
  readonly #teller = new Teller();
  readonly #ids: Ids;
  readonly #book = new FlowBook();
  readonly regains: Regains;
  /** Found in the table at the start, with the MAC address of the host that its packets go to, and its number, or 0. */
  readonly #unclaimed = new Map<string, Unclaimed>();
  /** MAC addresses of hosts whose deliveries are to claim these. */
  readonly #unheard = new Set<string>();
  /** By MAC address: the unclaimed flows of a host. By name: those of a delivery whose link has ended. */
  readonly #orphansOfHost = new Map<string, Orphans>();
  readonly #orphansOfOwner = new Map<string, Orphans>();
  readonly ending = new Ending((flow) => this.#forget(flow));
  #timer: NodeJS.Timeout | undefined;
  readonly #conntrack: Conntrack | undefined = openConntrack();
  #isTracked = this.#conntrack?.isInUse() ?? false;
  #askedConntrackAt = performance.now();

  constructor(steering: Steering, claimWithinMs = CLAIM_WITHIN_MS, ids = new Ids()) {
    this.#steering = steering;
    this.regains = new Regains(this.#book, steering, (key, id) => this.#tell(key, id));
    this.#claimWithinMs = claimWithinMs;
    this.#ids = ids;
  }

  /** What is in the table is this head's from here on: no other one is at it any more. */
  begin(): this {
    const { forwarded, frozen } = findFlows(this.#steering);
    for (const [name, found] of forwarded) {
      this.#ids.heard(found.id);
      this.#unclaimed.set(name, found);
    }
    // An earlier head died while it moved them, and their sockets with it.
    for (const key of frozen) {
      this.#steering.forget(key);
      this.#teller.tell(key);
    }
    for (const { mac } of this.#unclaimed.values()) this.#expect(mac);
    this.#timer = setInterval(() => this.#tidy(performance.now()), TIDY_EVERY_MS);
    this.#timer.unref();
    return this;
  }

  /** The table is what has an end. */
  readonly room = Number.POSITIVE_INFINITY;

  get count(): number {
    return this.#book.count + this.#unclaimed.size;
  }

  /** Hosts that flows were found to be steered to at the start, and of whose deliveries none has come yet. */
  get unheardHosts(): number {
    return this.#unheard.size;
  }

  /** Its deliveries are expected to claim what is steered to this host. */
  #expect(mac: string): void {
    if (this.#orphansOfHost.has(mac)) return;
    this.#unheard.add(mac);
    const keys = () => [...this.#unclaimed.values()].filter((one) => one.mac === mac).map(({ key }) => key);
    this.#orphansOfHost.set(mac, {
      until: performance.now() + this.#claimWithinMs,
      isAsking: false,
      address: () => neighbourWith(mac),
      keys,
      drop: (key) => {
        const found = this.#unclaimed.get(nameOf(key));
        if (found && this.#unclaimed.delete(nameOf(key))) this.#tell(key, found.id);
      },
      seen: new Map(),
    });
  }

  /** A new connection has these ends: whatever had them before is over. Ended by `stopMoving` or `add`. */
  beginToMove(key: Buffer): void {
    const name = nameOf(key);
    this.#unclaimed.delete(name);
    const flow = this.#book.at(name);
    if (flow) this.#book.remove(flow);
  }

  /**
   * It stays with the head. The entry is left where a new connection has it by now: a client may reset one that is on its
   * way, and use its port again.
   */
  stopMoving(key: Buffer, id: number): void {
    this.#steering.release(key, id);
  }

  /** A connection lives with `owner` now, and its packets are sent there. */
  add(id: number, key: Buffer, owner: string): void {
    const name = nameOf(key);
    // Other threads tell of theirs a little later: one that came after it may be known already.
    if ((this.#book.at(name)?.id ?? id) > id) return;
    this.#unclaimed.delete(name);
    this.#book.add({ id, key, owner });
    // From here on the head's kernel sees nothing of it, its end neither: a firewall's entry would stay for five days.
    if (this.#isTracked) this.#conntrack?.forget(endsOfKey(key));
  }

  /**
   * Its owner has gone, and may live: whether the connection does shows when it registers again. `isToBeAsked`: its process
   * has ended, it seems, and its host's kernel says so to a client that is made to send something.
   */
  doubt(id: number, owner: string, committed: Unconfirmed, isToBeAsked: boolean): void {
    const flow = this.#book.of(owner, id);
    if (!flow) return;
    flow.doubt = committed;
    trace?.say(`m${id}`, 'doubt');
    if (isToBeAsked) this.#teller.ask(flow.key);
  }

  /** Nobody has it: what was saved is enough to tell the client. Nothing to tell when that has its ends in use again. */
  resetAway(id: number, owner: string, { key, saved }: Unconfirmed): void {
    const flow = this.#book.of(owner, id);
    // Its client has its ends in use again, or its delivery has given it back meanwhile.
    trace?.say(`m${id}`, flow ? 'resetAway' : 'confirmed');
    if (!flow || !this.#book.remove(flow) || !this.#steering.release(key, id)) return;
    // Only to reset it: it needs no window.
    const copy = prepare({ ...saved, congestion: null });
    if (copy instanceof Refusal) this.#teller.tell(key);
    else copy.reset();
  }

  /** Its owner's kernel is done with it: it is forgotten when late packets can no longer come. */
  ended(ids: readonly number[], owner: string): void {
    for (const id of ids) {
      const flow = this.#book.of(owner, id);
      if (flow) this.ending.add(flow);
    }
  }

  /**
   * A delivery has registered: these are all the flows that it still has of what was moved until then. `lastBefore`: what it was
   * given since has higher numbers.
   */
  claim(
    owner: string,
    ids: readonly number[],
    keys: Buffer,
    hop: NextHop,
    lastBefore = Number.POSITIVE_INFINITY,
  ): void {
    this.#orphansOfOwner.delete(owner);
    const held = new Set(ids);
    const ending = this.ending.flows;
    for (const flow of this.#book.ofOwner(owner))
      if (flow.id <= lastBefore && !held.has(flow.id) && !ending.has(flow)) this.#drop(flow);
    this.#unheard.delete(hop.mac);
    this.announce(owner, ids, keys, hop);
    const orphans = this.#orphansOfHost.get(hop.mac);
    if (!orphans) return;
    // What the others of its host hold they claim as soon; what is left then is nobody's.
    orphans.until = Math.min(orphans.until, performance.now() + SAME_HOST_MS);
    orphans.address = () => Promise.resolve(undefined);
  }

  /** A delivery has these as well. Throws STEERING_FULL, and then the rest of them is not known here. */
  announce(owner: string, ids: readonly number[], keys: Buffer, hop: NextHop): void {
    for (const [index, id] of ids.entries()) {
      const key = Buffer.from(keys.subarray(index * FLOW_KEY_SIZE, (index + 1) * FLOW_KEY_SIZE));
      const name = nameOf(key);
      this.#ids.heard(id);
      // A later connection has these ends, and what the delivery holds is a leftover; or what it says is.
      if ((this.#book.at(name)?.id ?? id) > id) continue;
      // Or it is on its way to where that will be said.
      if ((this.#steering.find(key)?.action ?? 'forward') !== 'forward') continue;
      // Or it is steered to another host, for a connection that may be later.
      const found = this.#unclaimed.get(name);
      if (found && found.mac !== hop.mac && (found.id === 0 || found.id > id)) continue;
      this.#unclaimed.delete(name);
      if (!this.#steering.forward(key, hop, { isOld: true, id, instead: found?.id ?? id })) continue;
      trace?.say(`m${id}`, 'learn');
      this.add(id, key, owner);
    }
  }

  /** A delivery's host has another card. */
  move(owner: string, hop: NextHop): void {
    for (const { key, id } of this.#book.ofOwner(owner)) {
      // One that is not in the table was replaced by a new connection of its client's, which the head has.
      if (this.#steering.find(key)?.action === 'forward')
        this.#steering.forward(key, hop, { isOld: true, id, instead: id });
    }
  }

  /** A delivery's link has ended. It may live on, and its connections with it. `address`: of its host. */
  left(owner: string, address: string): void {
    this.#orphansOfOwner.set(owner, {
      until: performance.now() + this.#claimWithinMs,
      isAsking: false,
      address: () => Promise.resolve(address),
      keys: () => this.#book.ofOwner(owner).map(({ key }) => key),
      drop: (key) => {
        const flow = this.#book.at(nameOf(key));
        if (flow?.owner === owner) this.#drop(flow);
      },
      seen: new Map(),
    });
  }

  /** The first flows, for people. */
  list(): FlowStatus[] {
    return this.#book.list(
      this.#steering,
      [...this.#unclaimed.values()].map(({ key }) => key),
    );
  }

  #tidy(now: number): void {
    if (now - this.#askedConntrackAt >= CONNTRACK_EVERY_MS) {
      this.#askedConntrackAt = now;
      this.#isTracked = this.#conntrack?.isInUse() ?? false;
    }
    this.ending.forget(now);
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
            this.#unheard.delete(name);
            for (const key of orphans.keys()) orphans.drop(key);
          }
        });
      }
    }
  }

  /** Nobody has it, and its client may not know. */
  #drop(flow: Flow): void {
    if (flow.doubt) this.resetAway(flow.id, flow.owner, flow.doubt);
    else if (this.#book.remove(flow)) this.#tell(flow.key, flow.id);
  }

  /** Unless a new connection has its ends by now. */
  #tell(key: Buffer, id: number): void {
    if (this.#steering.release(key, id)) this.#teller.tell(key);
  }

  #forget(flow: Flow): void {
    if (this.#book.remove(flow)) this.#steering.release(flow.key, flow.id);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#teller.close();
    this.#conntrack?.close();
    // All that is ending is over: nothing but these flows keeps the table in use.
    this.ending.hurry(true);
  }
}
