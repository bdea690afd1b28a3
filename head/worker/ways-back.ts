/**
 * Connections that deliveries give back, in one worker: who gets them instead. A delivery that has given one back says and reads
 * nothing on it until it hears a word: *moved*, and it is the head's, as one that was just accepted; *kept*, and it goes on with
 * it. Who is to have it is chosen first, and offered it only when *moved* has left: until then nothing has happened.
 */
import { hashBytes } from '../../shared/fnv.ts';
import { modes } from '../../shared/status.ts';
import { peerEndpoint } from '../../shared/sys/endpoints.ts';
import { type Epoll, READABLE } from '../../shared/sys/epoll.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { allocate, type Memory } from '../../shared/sys/memory.ts';
import { closeFd, peek, setNonBlocking } from '../../shared/sys/sockets.ts';
import { createFound, type Found } from '../found.ts';
import { NOBODY } from '../modes/mode.ts';
import { OTHER } from '../refusals.ts';
import { type Scoreboard, SLOTS, type WorkerCounters } from '../scoreboard.ts';
import type { WayBackSpec } from '../worker-messages.ts';
import { AskedConnections } from './asked.ts';
import type { Clock } from './clock.ts';
import { type Connections, GIVEN_BACK, makeTag, READING, TAG_LANE } from './connections.ts';
import type { WorkerDesk } from './desk.ts';
import { inspect } from './inspect/index.ts';
import { COMPLETE, INCOMPLETE } from './inspect/kind.ts';
import type { RequestReader } from './reader.ts';
import type { Router } from './router.ts';
import { steps } from './steps.ts';
import { type AskedFor, type GivenBack, WayBack } from './way-back.ts';

/** Others get their turn after so many. */
const A_TURN = 64;
/** So many may return it, or die with it untaken, before it is dealt with as one that nobody has had. */
const MAX_ATTEMPTS = 3;
/** It was handed over, whatever the mode is. */
const MODE = modes.indexOf('handoff');

export interface WaysBackParts {
  readonly epoll: Epoll;
  readonly connections: Connections;
  readonly scoreboard: Scoreboard;
  readonly counters: WorkerCounters;
  readonly router: Router;
  readonly desk: WorkerDesk;
  readonly reader: RequestReader;
  readonly clock: Clock;
  /** The longest request head that is looked at. */
  readonly headBytes: number;
  /** This worker may have connections back: it is not about to stop. */
  readonly mayRegain: () => boolean;
}

export class WaysBack {
  readonly #parts: WaysBackParts;
  readonly #ways = new Map<number, WayBack>();
  /** Of these, those that have words for which there was no room. */
  readonly #blocked = new Set<WayBack>();
  /** Slots of deliveries that take connections with a state. */
  readonly #takeState = new Set<number>();
  readonly #asked: AskedConnections;
  /** By fd, of those that are on a lane. */
  readonly #states = new Map<number, Uint8Array>();
  readonly #found = createFound();
  readonly #nothing: Found = { ...createFound(), speaks: OTHER };
  #memory: Memory | undefined;

  constructor(parts: WaysBackParts) {
    this.#parts = parts;
    this.#asked = new AskedConnections({
      look: (fd) => (parts.mayRegain() ? this.#look(fd) : undefined),
      choose: (fd, found, way, mayStay) =>
        mayStay
          ? parts.router.pickForNext(fd, found, way.slot)
          : parts.router.pickOther(fd, found, way.slot, parts.router.isHere),
      giveCredit: (slot) => parts.scoreboard.giveCredits(slot, 1),
      count: (moved, chosen, stayed) => {
        parts.counters.add('requests_moved', moved);
        parts.counters.add('requests_chosen', chosen);
        parts.counters.add('requests_stayed', stayed);
      },
      regain: (fd, way, slot) => {
        this.regain(fd, way.slot, undefined);
        parts.desk.place(fd, slot, undefined);
      },
    });
  }

  join(slot: number, { end, takesState }: WayBackSpec): void {
    this.#ways.set(slot, new WayBack(slot, end, this.#blocked));
    if (takesState) this.#takeState.add(slot);
    this.#parts.epoll.add(end, READABLE, makeTag(TAG_LANE, slot + SLOTS));
  }

  /** Of a delivery on another host. */
  joinFar(slot: number, takesState: boolean): void {
    if (takesState) this.#takeState.add(slot);
  }

  /**
   * The delivery gives something back. `readLane` reads what it has said on its lane: when a connection has come back, that it
   * was taken is there to be read, and not before. Throws a RangeError for nonsense; what has come by then waits for `leave`.
   */
  read(slot: number, readLane: () => void): void {
    const way = this.#ways.get(slot);
    if (!way) return;
    let given: GivenBack | AskedFor | 'end' | undefined;
    for (let i = 0; i < A_TURN; i++) {
      given = way.read();
      if (given === undefined || given === 'end') break;
      way.undecided.push(given);
    }
    if (way.undecided.length > 0) readLane();
    this.#decideAll(way);
    // Its lane ends as well, and says what that means.
    if (given === 'end') this.ignore(slot);
  }

  #decideAll(way: WayBack): void {
    for (const given of way.undecided.splice(0)) this.#decide(way, given);
  }

  /** It is let go before long: nothing of it is looked at until then. */
  ignore(slot: number): void {
    const way = this.#ways.get(slot);
    if (way?.isWatched) this.#parts.epoll.remove(way.fd);
    if (way) way.isWatched = false;
  }

  #decide(way: WayBack, given: GivenBack | AskedFor): void {
    if ('fds' in given) this.#asked.decide(way, given);
    else this.#decideOne(way, given);
  }

  #decideOne(way: WayBack, { fd, number, state }: GivenBack): void {
    const found = this.#parts.mayRegain() ? this.#look(fd) : undefined;
    const slot = found ? this.choose(fd, found, way.slot, state) : NOBODY;
    if (slot !== NOBODY && way.move(number)) {
      this.regain(fd, way.slot, state);
      return this.#parts.desk.place(fd, slot, state);
    }
    if (slot !== NOBODY) this.#parts.scoreboard.giveCredits(slot, 1);
    steps?.decline(fd, way.slot);
    closeFd(fd);
    way.keep(number);
  }

  /** It is the head's again, and to be put on a lane. */
  regain(fd: number, from: number, state: Uint8Array | undefined): void {
    const { connections, clock } = this.#parts;
    connections.regain(fd, MODE, clock.now, connections.addressHash[fd]!, from);
    if (state) this.#states.set(fd, state);
  }

  /** What is to be known of it; undefined for what is over, or no connection. */
  #look(fd: number): Found | undefined {
    const peer = peerEndpoint(fd);
    if (typeof peer === 'number') return undefined;
    const { connections, headBytes, router } = this.#parts;
    connections.addressHash[fd] = hashBytes(peer.address, 0, peer.address.length);
    this.#memory ??= allocate(headBytes);
    const n = peek(fd, this.#memory, 0, router.looksInside ? headBytes : 1);
    // Its client has ended it, which its delivery is to find.
    if (n <= 0 && n !== EAGAIN) return undefined;
    // Not every delivery leaves it so.
    setNonBlocking(fd);
    if (n < 0 || !router.looksInside) return this.#nothing;
    const verdict = inspect(this.#found, this.#memory.bytes, n, headBytes);
    const isEnough = verdict === COMPLETE || (verdict === INCOMPLETE && this.#found.lineEnd > 0);
    return isEnough ? this.#found : this.#nothing;
  }

  /** As `#look`, at bytes that came with it. */
  lookAt(input: Uint8Array): Found {
    const { headBytes, router } = this.#parts;
    if (input.length === 0 || !router.looksInside) return this.#nothing;
    this.#memory ??= allocate(headBytes);
    this.#memory.bytes.set(input);
    const { length } = input;
    return inspect(this.#found, this.#memory.bytes, length, headBytes) === COMPLETE
      ? this.#found
      : this.#nothing;
  }

  /** Who is to have it, whose credit is taken then, but not who gives it. */
  choose(fd: number, found: Found, from: number, state: Uint8Array | undefined): number {
    const suits = (slot: number) => state === undefined || this.#takeState.has(slot);
    return this.#parts.router.pickOther(fd, found, from, suits);
  }

  /** Whether it was given back, and is on a lane. */
  has(fd: number): boolean {
    return this.#parts.connections.attempts[fd]! >= GIVEN_BACK;
  }

  /**
   * Whoever was to have it next, in the slot `from`, has not taken it. Another one, or the one that gave it; nobody: then it is
   * like one whose client has just come.
   */
  again(fd: number, from: number): void {
    const { connections, desk, reader, clock } = this.#parts;
    const state = this.#states.get(fd);
    const found = this.#look(fd);
    if (!found) return this.#end(fd, 'client_gone');
    const mayTry = ++connections.attempts[fd]! < GIVEN_BACK + MAX_ATTEMPTS;
    const slot = mayTry ? this.choose(fd, found, from, state) : NOBODY;
    if (slot !== NOBODY) return desk.place(fd, slot, state);
    if (state) return this.#end(fd, 'unplaced');
    connections.attempts[fd] = 1;
    connections.setState(fd, READING);
    reader.resume(fd, clock.now);
  }

  #end(fd: number, why: 'client_gone' | 'unplaced'): void {
    this.#states.delete(fd);
    this.#parts.desk.abandon(fd, why);
  }

  /** A delivery has it, or nobody. */
  settled(fd: number): void {
    if (this.#states.size > 0) this.#states.delete(fd);
  }

  /** Milliseconds until words are to be sent that found no room. */
  tick(): number {
    if (this.#blocked.size === 0) return Number.POSITIVE_INFINITY;
    for (const way of this.#blocked) way.flush();
    return this.#blocked.size > 0 ? 1 : Number.POSITIVE_INFINITY;
  }

  /** The delivery is let go: it can give nothing more. */
  refuse(slot: number): void {
    this.#ways.get(slot)?.refuse();
  }

  /** What it had given in time is dealt with, as before. */
  leave(slot: number): void {
    this.#takeState.delete(slot);
    const way = this.#ways.get(slot);
    if (!way) return;
    this.#ways.delete(slot);
    this.#decideAll(way);
    try {
      for (let given = way.read(); given && given !== 'end'; given = way.read()) this.#decide(way, given);
    } catch {
      // What it has given behind nonsense stays its own: it hears no word of it.
    }
    way.close();
  }
}
