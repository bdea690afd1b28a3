/**
 * Which delivery a connection goes to: the deliveries that one worker knows, those of them that can take it right now,
 * and the policy that chooses one. Does nothing to the connection.
 */
import { hashBytes, hashText } from '../../shared/fnv.ts';
import { createChoose, policyByName, type Shared } from '../choose/index.ts';
import type { Candidates, Choose, Policy } from '../choose/policy.ts';
import type { Found, FoundKey } from '../found.ts';
import { NOBODY } from '../modes/mode.ts';
import { HTTP } from '../refusals.ts';
import { type Scoreboard, SLOTS, UP } from '../scoreboard.ts';
import type { Clock } from './clock.ts';
import type { Connections } from './connections.ts';
import { serverName } from './inspect/name.ts';
import type { Lane } from './lane.ts';
import { ServedNames } from './served-names.ts';

/** A delivery that leaves a connection untaken for this long (milliseconds) is passed over while others are quicker. */
const SLOW_MS = 100;

/**
 * A delivery that returns a connection is passed over for so long while there are others (milliseconds), and for twice as
 * long each time it returns the next one that it is given then: what it lacks (fds, say) may not come back soon.
 */
const BACK_OFF_MS = 10;
const BACK_OFF_MAX_MS = 2000;

export interface RouterParts {
  readonly scoreboard: Scoreboard;
  readonly connections: Pick<Connections, 'addressHash' | 'links'>;
  readonly clock: Clock;
  readonly policy: string;
  /** What workers have in common of policies. */
  readonly shared: Shared;
}

/** A delivery as a worker hears of it. */
export interface RouterMember {
  readonly slot: number;
  readonly name: string;
  readonly direct: string | null;
  /** TLS is spoken there. */
  readonly directTls: 'only' | 'also' | undefined;
  /** Names of servers; undefined: every one. */
  readonly serves: readonly string[] | undefined;
}

/** The beginning of a delivery's URLs, for clients that have come by TLS and for others: made once, they are keys of a cache. */
interface Origins {
  readonly byTls: string;
  readonly plain: string;
}

function originsOf(direct: string, tls: RouterMember['directTls']): Origins {
  const [secure, plain] = [`https://${direct}`, `http://${direct}`];
  return { byTls: tls === undefined ? plain : secure, plain: tls === 'only' ? secure : plain };
}

export class Router {
  policy: Policy;
  /** The lanes by slot, and those that there are. */
  readonly lanes: (Lane | undefined)[] = new Array(SLOTS).fill(undefined);
  open: Lane[] = [];
  readonly #scoreboard: Scoreboard;
  readonly #connections: RouterParts['connections'];
  readonly #clock: Clock;
  readonly #shared: Shared;
  #choose: Choose;
  #policyText: string;
  readonly #origins: (Origins | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #nameHash = new Uint32Array(SLOTS);
  readonly #names = new ServedNames();
  readonly #serves: (string | undefined)[] = new Array(SLOTS).fill(undefined);
  #turn = 0;
  readonly #candidates: Candidates = { slots: new Int32Array(SLOTS), count: 0 };
  /** By slot: how long it is passed over, and until when. Milliseconds; 0 when it is not. */
  readonly #backOffMs = new Float64Array(SLOTS);
  readonly #backOffUntil = new Float64Array(SLOTS);

  constructor({ scoreboard, connections, clock, policy, shared }: RouterParts) {
    this.#scoreboard = scoreboard;
    this.#connections = connections;
    this.#clock = clock;
    this.#shared = shared;
    this.policy = policyByName(policy);
    this.#policyText = policy;
    this.#choose = createChoose(policy, scoreboard, this.#nameHash, shared);
  }

  /** From here on this policy chooses; `text` is its name, and its parameters. */
  setPolicy(text: string): void {
    if (text === this.#policyText) return;
    this.policy = policyByName(text);
    this.#policyText = text;
    this.#choose = createChoose(text, this.#scoreboard, this.#nameHash, this.#shared);
  }

  join({ slot, name, direct, directTls, serves }: RouterMember, lane: Lane): void {
    const bytes = Buffer.from(name);
    this.lanes[slot] = lane;
    this.#backOffMs[slot] = this.#backOffUntil[slot] = 0;
    this.#origins[slot] = direct === null ? undefined : originsOf(direct, directTls);
    this.#nameHash[slot] = hashBytes(bytes, 0, bytes.length);
    this.#names.join(slot, serves);
    // Kept when it leaves: what it gives back may come later.
    this.#serves[slot] = serves?.toSorted().join();
    this.open.push(lane);
  }

  /** The lane of a delivery that has gone, no longer known here. */
  leave(slot: number): Lane | undefined {
    this.#origins[slot] = undefined;
    this.#names.leave(slot);
    return this.leaveLane(slot);
  }

  /** The lane of a delivery that has another head: clients can be sent there, and nothing handed over. */
  leaveLane(slot: number): Lane | undefined {
    const lane = this.lanes[slot];
    this.lanes[slot] = undefined;
    this.open = this.open.filter((other) => other !== lane);
    return lane;
  }

  /**
   * Where clients reach the delivery without the head, as the beginning of a URL; `byTls` is how this one has come. Only for a
   * slot of `pickDirect`.
   */
  originOf(slot: number, byTls: boolean): string {
    const { byTls: secure, plain } = this.#origins[slot]!;
    return byTls ? secure : plain;
  }

  /**
   * A slot whose credit was taken for this connection, but not `avoid`; NOBODY when every delivery is full, slow ones
   * included.
   */
  pickLane(fd: number, found: Found, avoid: number): number {
    const slots = this.#slotsFor(found);
    const slot = this.#pickLaneAmong(slots, fd, found, avoid, SLOW_MS);
    return slot === NOBODY ? this.#pickLaneAmong(slots, fd, found, avoid, Number.POSITIVE_INFINITY) : slot;
  }

  /** As `pickLane`, for a connection that `slot` has had: of those that serve the same names, and `suits`. */
  pickOther(fd: number, found: Found, slot: number, suits: (slot: number) => boolean): number {
    const slots = this.#likeIt(slot).filter(suits);
    const chosen = this.#pickLaneAmong(slots, fd, found, slot, SLOW_MS);
    return chosen === NOBODY ? this.#pickLaneAmong(slots, fd, found, slot, Number.POSITIVE_INFINITY) : chosen;
  }

  /** For a connection that `holder` has, and whose next request has come: that one, or another whose credit was taken. */
  pickForNext(fd: number, found: Found, holder: number): number {
    const slots = this.#likeIt(holder).filter(this.isHere);
    const chosen = this.#pickLaneAmong(slots, fd, found, NOBODY, SLOW_MS, holder);
    return chosen === NOBODY
      ? this.#pickLaneAmong(slots, fd, found, NOBODY, Number.POSITIVE_INFINITY, holder)
      : chosen;
  }

  /** A delivery of this host: requests go to and fro among these, where a move costs next to nothing. */
  readonly isHere = (slot: number): boolean => (this.lanes[slot]?.watchedFd ?? -1) >= 0;

  /** Those that serve the same names. */
  #likeIt(slot: number): number[] {
    const serves = this.#serves[slot];
    return this.#names.everyone.filter((other) => this.#serves[other] === serves);
  }

  /** `holder` has it already, and needs no credit for it. */
  #pickLaneAmong(
    slots: readonly number[],
    fd: number,
    found: Found,
    avoid: number,
    slowMs: number,
    holder = NOBODY,
  ): number {
    const candidates = this.#candidates;
    candidates.count = 0;
    for (const slot of slots) {
      const lane = this.lanes[slot];
      if (slot === holder && this.#isUp(slot)) {
        candidates.slots[candidates.count++] = slot;
        continue;
      }
      if (lane === undefined || slot === avoid || lane.isFull || !this.#isFree(slot)) continue;
      if (this.waited(lane) > slowMs) continue;
      if (this.#backOffUntil[slot]! > this.#clock.now && slowMs === SLOW_MS) continue;
      candidates.slots[candidates.count++] = slot;
    }
    while (candidates.count > 0) {
      const slot = this.#ask(fd, found);
      if (slot === holder || this.#scoreboard.takeCredit(slot)) return slot;
      // Another worker took the last credit just now.
      this.#drop(slot);
    }
    return NOBODY;
  }

  /** A delivery that clients can be sent to; NOBODY when there is none. */
  pickDirect(fd: number, found: Found): number {
    const candidates = this.#candidates;
    candidates.count = 0;
    for (const slot of this.#slotsFor(found)) {
      if (this.#origins[slot] && this.#scoreboard.state(slot) === UP) {
        candidates.slots[candidates.count++] = slot;
      }
    }
    return candidates.count === 0 ? NOBODY : this.#ask(fd, found);
  }

  /** Whether what the first bytes tell makes a difference. */
  get looksInside(): boolean {
    const { needs } = this.policy;
    return this.#names.matter || (needs !== 'nothing' && needs !== 'address');
  }

  /** Those that serve the name that is asked for, as well as any. */
  #slotsFor(found: Found): readonly number[] {
    return this.#names.matter ? this.#names.forName(serverName(found), this.#isUp) : this.#names.everyone;
  }

  readonly #isUp = (slot: number): boolean => this.#scoreboard.state(slot) === UP;

  /** There are deliveries, and none of them serves the name that is asked for. */
  isForNobody(found: Found): boolean {
    return this.#names.matter && this.#slotsFor(found).length === 0;
  }

  #ask(fd: number, found: Found): number {
    const { needs } = this.policy;
    if (needs === 'nothing') return this.#choose(this.#candidates, 0);
    if (needs === 'address') return this.#choose(this.#candidates, this.#connections.addressHash[fd]!);
    return this.#choose(this.#candidates, this.#keyHash(needs, found));
  }

  /** Where there is no path the name is the next best; who says neither is anybody's, one after the other. */
  #keyHash(needs: FoundKey, found: Found): number {
    const { start, end } = found.keys.path;
    if (needs === 'path' && (found.speaks === HTTP || end > start)) return hashBytes(found.bytes, start, end);
    const name = serverName(found);
    return name === '' ? Math.imul(++this.#turn, 0x9e3779b1) >>> 0 : hashText(name);
  }

  #drop(slot: number): void {
    const { slots } = this.#candidates;
    const index = slots.indexOf(slot);
    slots.copyWithin(index, index + 1, this.#candidates.count);
    this.#candidates.count--;
  }

  /** For how long the lane's first untaken connection has waited, milliseconds; 0 when there is none. */
  waited(lane: Lane): number {
    const oldest = lane.oldestUntaken;
    return oldest < 0 ? 0 : this.#clock.now - this.#connections.links.since[oldest]!;
  }

  /** The delivery has returned a connection. */
  returned(slot: number): void {
    // Those that were on their way when it began count once.
    if (this.#backOffUntil[slot]! > this.#clock.now) return;
    this.#backOffMs[slot] = Math.min(Math.max(this.#backOffMs[slot]! * 2, BACK_OFF_MS), BACK_OFF_MAX_MS);
    this.#backOffUntil[slot] = this.#clock.now + this.#backOffMs[slot]!;
  }

  /** When the first of those that are passed over, and have credits, is to be asked again; Infinity when there is none. */
  backOffEnds(found: Found): number {
    let first = Number.POSITIVE_INFINITY;
    for (const slot of this.#slotsFor(found)) {
      const until = this.#backOffUntil[slot]!;
      if (until > this.#clock.now && this.lanes[slot]?.isFull === false && this.#isFree(slot))
        first = Math.min(first, until);
    }
    return first;
  }

  #isFree(slot: number): boolean {
    return (
      this.#scoreboard.state(slot) === UP && this.#scoreboard.inUse(slot) < this.#scoreboard.credits(slot)
    );
  }

  /** The delivery has taken a connection. True: it was passed over, and is no more. */
  taken(slot: number): boolean {
    if (this.#backOffMs[slot]! > 0 && this.#clock.now > this.#backOffUntil[slot]! + this.#backOffMs[slot]!) {
      // For as long as it was passed over it has returned nothing.
      this.#backOffMs[slot] = 0;
    }
    const wasPassedOver = this.#backOffUntil[slot]! > this.#clock.now;
    if (wasPassedOver) this.#backOffUntil[slot] = 0;
    return wasPassedOver;
  }
}
